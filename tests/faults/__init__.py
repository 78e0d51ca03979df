"""The plug pulled: real processes, a real Redis, a real database and a real issuer. Run by ``make test-faults``."""
