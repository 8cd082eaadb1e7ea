"""Benchmark of shapes: the default recipe on logs of other shapes, beside simple methods."""
