"""Trees of files: read as data, whatever a build left in them."""
