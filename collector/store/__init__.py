"""The store: one DuckDB file, one writer thread, one transaction a batch."""
