"""Position and selection bias: worlds whose relevance is known, and models in them."""
