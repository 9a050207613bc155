"""Where notifications go. A new sink is one file here and one row in `table.py`."""
