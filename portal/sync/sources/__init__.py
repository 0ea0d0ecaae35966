"""Source systems: what they list, and how their files are reached. One module per kind."""
