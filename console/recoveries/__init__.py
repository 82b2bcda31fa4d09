"""What can be done about a broken installation, step by step: found, shown, taken, told."""
