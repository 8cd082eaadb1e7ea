"""New items of the time between two runs: their check, their store, and the store as training data."""
