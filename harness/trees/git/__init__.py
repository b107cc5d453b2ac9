"""Git repositories in a built tree, read as data: what they are, not how git stores them."""
