"""Statistics of experiments, as functions of arrays.

Legend: Q users, N answers.
"""
