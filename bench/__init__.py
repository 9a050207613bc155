"""The figures, each against a peer or a physical limit: `python bench/NAME.py`."""
