"""Rule files: read with positions, checked as a whole, compiled for the judge."""
