"""The HTTP interface of a service."""
