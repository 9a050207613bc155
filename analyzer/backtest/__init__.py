"""What the rules would have found in the past: the judge over all flows of a store or a file."""
