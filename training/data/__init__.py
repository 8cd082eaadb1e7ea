"""Training data: from frames of interactions and snapshots to arrays."""
