"""What is sent to and fro: the types of the HTTP interface, from which OpenAPI describes it."""
