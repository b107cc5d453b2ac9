"""Languages: what is installed in a tree, who owns a path, which differences are none."""
