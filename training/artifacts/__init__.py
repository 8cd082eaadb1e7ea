"""Files of a release: written, read, and carried over into a new training."""
