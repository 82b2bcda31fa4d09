"""Which bundle scores what: loading, slots, and looking after what is wanted."""
