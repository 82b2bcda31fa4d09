"""What the service does with its log, gathered for whoever shows it."""
