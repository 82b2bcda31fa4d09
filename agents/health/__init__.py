"""Health of data and models: looked at by the doctor when asked, and by a chore of the coordinator all the time."""
