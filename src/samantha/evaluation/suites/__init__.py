"""One suite a file: which sets it reads, what it measures on them, and which bars it is held to."""
