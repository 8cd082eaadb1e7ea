"""The files of a release: written, read again, and carried into a new training."""
