"""What people do about alerts, silences and subscribers: the command line and the HTTP interface both act by this."""
