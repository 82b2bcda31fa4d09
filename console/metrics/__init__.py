"""What a running service tells of itself to Prometheus and to probes."""
