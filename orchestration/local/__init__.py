"""This machine: the home folder, local services and their supervision."""
