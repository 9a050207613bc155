"""What should have happened: expectations, judge, findings, alerts."""
