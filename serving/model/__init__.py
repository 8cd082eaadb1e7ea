"""The model of a release: both towers, the re-scorer, and their code for MLflow."""
