"""The engine: sources, checks, archive, transfer. Knows neither Flask nor the database."""
