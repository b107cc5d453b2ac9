"""The Python package index: its interfaces, and how its pages are known on a tape."""
