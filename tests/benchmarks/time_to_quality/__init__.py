"""Systems that train until a quality is reached, one a file, each in a process of its own. See bench_time_to_quality.

Legend: I interactions, U users, N items, D dimension, B interactions of a batch, R users of a batch.
"""
