"""Expectations derived from the schema, and their validation."""
