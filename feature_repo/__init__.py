"""Features: their declaration, their values and their store."""
