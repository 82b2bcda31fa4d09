"""What a person at the page waits for."""
