"""Why an event is missing: from what was seen to one verdict with its evidence."""
