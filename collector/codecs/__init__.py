"""How payloads are written: one file and one row of the table for each format."""
