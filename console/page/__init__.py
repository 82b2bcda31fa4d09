"""The web page of a service: one template per view, and what their handlers look up."""
