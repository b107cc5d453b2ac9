"""What builds run in: the stack image, and the Python runtimes packed for it."""
