"""What people see: HTTP API and pages."""
