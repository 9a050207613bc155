"""The kinds of expectation. A new one is one file here and one row in `table.py`."""
