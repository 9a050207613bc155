"""What the shop's services and the agents have in common: groups, steps, deadlines."""
