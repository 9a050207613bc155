"""Rule files that ship with nonevent, each with its own tests."""
