"""Delivery: each message to the one subscriber that it is for, by whatever way that one is reached."""
