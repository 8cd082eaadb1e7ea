"""Experiments: variants, assignment, interleaving, exposures, and statistics of them."""
