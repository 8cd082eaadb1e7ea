"""Systems that train until a quality is reached; see bench_time_to_quality.

Each is one file, and runs in a process of its own.

Legend: I interactions, U users, N items, D dimension, B interactions of a batch, R
users of a batch.
"""
