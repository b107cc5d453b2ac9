"""Build tools and package managers: wheels of the operator's own index, for the sealed one."""
