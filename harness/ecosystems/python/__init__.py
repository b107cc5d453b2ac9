"""Python: its distributions, bytecode, releases, build tools and runtimes."""
