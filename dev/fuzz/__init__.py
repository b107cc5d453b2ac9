"""A fuzz of the comparison: single changes of a real tree, each of which must be reported."""
