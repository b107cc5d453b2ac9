"""Runs: which builds are needed, in which order, and what they share."""
