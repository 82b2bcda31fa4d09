"""What ``tocsin train`` does: reading the past, training, telling MLflow and the log."""
