"""Proves whether a buildpack's cached builds equal clean ones."""

__version__ = "0.1.0"
