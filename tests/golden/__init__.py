"""Numbers that must stay as they are, on every version of every library."""
