"""What happened: bus -> events -> flows -> DuckDB."""
