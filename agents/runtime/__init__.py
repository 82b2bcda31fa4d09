"""The loops around sources, processors, sinks and recorders: reading, committing, recovering, retrying."""
