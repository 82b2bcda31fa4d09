"""What a report on an incident says, and how it is written."""
