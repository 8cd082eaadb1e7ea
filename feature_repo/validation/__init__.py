"""Expectations of a schema, and their validation."""
