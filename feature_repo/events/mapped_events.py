"""Events of many users in a file, of which only those that are read come into memory."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from feature_repo.schema import USER_ID


class MappedEvents:
    """Events by user in a memory-mapped file; memory holds the ids of the users.

    The file has no name once it is open: whatever ends the process frees the disk too.

    Args:
        events: the events.
        folder: folder of the file; None for that of temporary files.
    """

    def __init__(self, events: pl.DataFrame, folder: Path | None = None) -> None:
        ordered = events.sort(USER_ID, maintain_order=True)
        users = ordered[USER_ID].rle().struct.unnest()
        self.users = users["value"]
        """Users who have events, sorted."""
        self._sizes = users["len"].to_numpy().astype(np.int64)
        self._ends = np.cumsum(self._sizes)
        self.events = _mapped(ordered, folder)
        """All events, ordered by user."""

    def of(self, users: Sequence[str]) -> pl.DataFrame:
        """Events of some users; nothing of those that have none."""
        if self.events.is_empty():
            return self.events
        asked = pl.Series(users, dtype=pl.String)
        place = self.users.search_sorted(asked).to_numpy()
        found = place[(self.users.gather(np.minimum(place, len(self.users) - 1)) == asked).to_numpy()]
        sizes, ends = self._sizes[found], self._ends[found]
        # Numbers within each user, counted from the first row of each.
        rows = np.arange(sizes.sum()) + np.repeat(ends - np.cumsum(sizes), sizes)
        return self.events[rows]


def _mapped(events: pl.DataFrame, folder: Path | None) -> pl.DataFrame:
    """Frame whose columns lie in a file."""
    import pyarrow as pa

    with tempfile.TemporaryDirectory(prefix="gatehouse-events-", dir=folder) as name:
        path = Path(name) / "events.arrow"
        events.write_ipc(path, record_batch_size=max(1, events.height))  # one chunk, or every read would search them
        mapped = pl.from_arrow(pa.ipc.open_file(pa.memory_map(str(path))).read_all())
    assert isinstance(mapped, pl.DataFrame)
    return mapped
