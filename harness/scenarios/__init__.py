"""Scenario files, and the histories of apps and forks that they describe."""
