"""How hard a source is worked: a level that finds itself, the pace it sets, windows, bandwidth."""
