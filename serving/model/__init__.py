"""The model of a release: both towers, the rescorer, and their MLflow flavour."""
