"""What everything has in common that listens for HTTP: who may speak, how much, and what they are told."""
