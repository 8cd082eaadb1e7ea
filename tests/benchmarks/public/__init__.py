"""Public benchmarks of interactions without times: full ranking over the corpus, training items masked."""
