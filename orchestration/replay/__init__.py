"""Replay: a history walked through day by day, as it would have been."""
