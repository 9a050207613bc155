"""The buses that can be tapped. A new one is one file here and one row in the table."""
