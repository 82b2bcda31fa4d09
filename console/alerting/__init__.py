"""What people do about alerts at the command line."""
