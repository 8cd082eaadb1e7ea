"""Gatehouse: how towers are learned. Tables in, values out."""
