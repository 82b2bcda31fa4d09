"""Running the processors again on a recorded past, in a sandbox."""
