"""Protocol of the benchmark and a system: a folder of files, and lines on pipes.

It needs numpy alone, for environments of other libraries.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

INTERACTIONS, SETTINGS = "interactions.npz", "settings.json"
GO_ON, STOP = "go on", "stop"


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """Interactions and settings of one training."""

    user_I: np.ndarray
    """User of each interaction, int64, from 0."""
    item_I: np.ndarray
    """Item of each interaction, int64, from 0."""
    users: int
    """Number of wanted user vectors."""
    items: int
    """Number of wanted item vectors."""
    settings: Mapping[str, Any]
    """Settings of the system, and `dim`, `seed` and `threads`."""

    def save(self, folder: Path) -> None:
        """Write the task into a folder."""
        np.savez(folder / INTERACTIONS, user_I=self.user_I, item_I=self.item_I, users=self.users, items=self.items)
        (folder / SETTINGS).write_text(json.dumps(dict(self.settings)))

    @classmethod
    def load(cls, folder: Path) -> Task:
        """Read the task of a folder."""
        settings = json.loads((folder / SETTINGS).read_text())
        with np.load(folder / INTERACTIONS, allow_pickle=False) as stored:
            sizes = {name: int(stored[name]) for name in ("users", "items")}
            return cls(user_I=stored["user_I"], item_I=stored["item_I"], settings=settings, **sizes)

    @property
    def share_N(self) -> np.ndarray:
        """Each item's share of the interactions: float32, never 0."""
        counts = np.bincount(self.item_I, minlength=self.items)
        return (np.maximum(counts, 1) / len(self.item_I)).astype(np.float32)


class Clock:
    """Seconds of training, without those of saving and measuring vectors."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.epoch, self.seconds, self.started = folder, 0, 0.0, 0.0

    def start(self) -> None:
        self.started = time.perf_counter()

    def stop(self) -> None:
        self.seconds += time.perf_counter() - self.started

    def measure(self, user_UD: np.ndarray, item_ND: np.ndarray) -> None:
        """Hand over the vectors of an epoch, of length 1, and wait to continue.

        The process ends here once it has trained enough.
        """
        self.epoch += 1
        path = self.folder / f"{self.epoch}.npz"
        np.savez(path, user_UD=user_UD, item_ND=item_ND)
        print(json.dumps({"epoch": self.epoch, "seconds": self.seconds, "path": str(path)}), flush=True)
        if sys.stdin.readline().strip() != GO_ON:
            raise SystemExit
        self.start()


def own_task() -> tuple[Task, Clock]:
    """Task of this process, whose folder is its argument."""
    folder = Path(sys.argv[1])
    return Task.load(folder), Clock(folder)
