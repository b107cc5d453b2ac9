"""Releases of forks: an sdist and a wheel with reproducible bytes, for the sealed index."""
