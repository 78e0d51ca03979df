"""The one place that talks to the issuer. Knows nothing of Django."""
