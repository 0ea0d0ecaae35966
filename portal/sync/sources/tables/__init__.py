"""Sources that are a table of rows beside files: read once into a spool, listed from there."""
