"""The engine: one process that loads one release for its whole life and answers batches.

It is spoken to by lines of JSON over its pipes, and ends when the other end is closed.
"""
