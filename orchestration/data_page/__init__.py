"""Page on the data of a run: its profile, and what changed since the last version's."""
