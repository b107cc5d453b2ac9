"""Third parties' code: where it is found, and the digest by which it is known."""
