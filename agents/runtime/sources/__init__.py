"""Sources at work: readings into the log once, no faster than readers and memory allow; and the clock's ticks."""
