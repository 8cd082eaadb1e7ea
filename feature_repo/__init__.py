"""Gatehouse: what a feature is, and where its values come from."""
