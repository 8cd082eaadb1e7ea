"""Public benchmarks of interactions without times: full ranking of the corpus."""
