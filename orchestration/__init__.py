"""Gatehouse: when things happen. The only package that imports dagster."""
