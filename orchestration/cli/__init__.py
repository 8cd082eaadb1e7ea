"""Command line of Gatehouse."""

# Heavy imports stay inside the commands, so that `gatehouse --help` answers at once.

from orchestration.cli import events, experiment, items, operate, release, replay, run, serve
from orchestration.cli.application import app, main

__all__ = ["app", "events", "experiment", "items", "main", "operate", "release", "replay", "run", "serve"]
