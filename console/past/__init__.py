"""What export, import, replay and incident bundles are made of."""
