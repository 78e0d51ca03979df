"""Harbour: a small Django site that signs people in with iqauth_django, and the demo that runs it."""
