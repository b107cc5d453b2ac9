"""Explains divergences: what they still hold, and since when."""
