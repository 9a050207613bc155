"""A small shop on a real Kafka, whose faults can be switched on."""
