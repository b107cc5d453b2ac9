"""Stored caches: each a listing of its own, over contents that all of them share."""
