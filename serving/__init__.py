"""Registry, index, gate, release and retrieval: all steps after the training."""
