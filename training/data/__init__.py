"""From frames of interactions and snapshots to the arrays that training reads."""
