"""Experiments and exploration of the home's file, read again when it changes."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path

from feature_repo.errors import InputError
from serving.experiments.definition import Experiment
from serving.experiments.exploration import Exploration
from serving.experiments.read import experiments_of, exploration_of

logger = logging.getLogger(__name__)


class Definitions:
    """Experiments and exploration of one dataset.

    Args:
        path: the file; without it there are none.
        dataset: name of the dataset.

    Raises:
        InputError: the file cannot be used; the message names the field.
        OSError: the file cannot be read.
    """

    def __init__(self, path: Path, dataset: str) -> None:
        self._path, self._dataset = path, dataset
        self._stamp = self._look()
        self._found = experiments_of(path, dataset)
        self.exploration: Exploration | None = exploration_of(path, dataset)
        """Share of the answers that is randomised while no experiment runs."""
        self.problem: str | None = None
        """Reason why a change of the file does not count."""

    def running(self, moment: datetime) -> Experiment | None:
        """Return the experiment that runs at a moment."""
        return next((each for each in self._found if each.runs_at(moment)), None)

    def refresh(self) -> None:
        """Read the file again if it has changed. One that cannot be used changes nothing, and is noted."""
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            found, exploration = experiments_of(self._path, self._dataset), exploration_of(self._path, self._dataset)
        except (InputError, OSError) as error:
            self.problem = f"{error}; the former definitions go on"
            logger.warning(self.problem)
        else:
            self._found, self.exploration, self.problem = found, exploration, None
            logger.info("the experiments are %s", ", ".join(each.name for each in self._found) or "none")

    def _look(self) -> tuple[int, ...] | None:
        """Mark of the file that changes when it is written; None without a file."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
