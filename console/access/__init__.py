"""Who may do what over HTTP: tokens, sessions, roles, limits, and a record of what was changed."""
