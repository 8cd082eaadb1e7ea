"""Files that are not flushed to the disk, in tests and in the processes that they start.

A run commits to SQLite some two thousand times, and each commit waits for the disk. Tests kill processes and never the
machine, so nothing that they look at depends on it. Python imports `sitecustomize` first where this folder is on its
search path: `tests/conftest.py` puts it there.
"""
