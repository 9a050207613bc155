"""What becomes of a consumer: verdicts and lag, from what was observed of it."""
