"""Builds: what goes into one, how it runs in a sandbox, and what it leaves."""
