"""`python -m harness` is `cache-harness`."""

from harness.cli import main

main()
