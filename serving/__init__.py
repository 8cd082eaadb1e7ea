"""Gatehouse: everything after the artifact: registry, index, gate, release, retrieval."""
