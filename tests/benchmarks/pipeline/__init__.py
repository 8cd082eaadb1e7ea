"""Measurement of the whole pipeline at several sizes: data, meter, kind of processor."""
