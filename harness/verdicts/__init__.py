"""Verdicts: what two builds of one commit show, and what is known of it."""
