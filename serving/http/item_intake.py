"""Way of new and hidden items into the store: checked, bounded, and on the disk before the answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, TypeVar

from feature_repo.items.item import FieldError, NewItem, parse_item
from feature_repo.items.reader import ItemReader
from feature_repo.items.store import ItemStore, ItemStoreBusyError, ItemStoreError, ItemStoreFullError, Outcome, Room
from feature_repo.schema import Schema
from feature_repo.utc import present_time
from serving.http.errors import BUSY_SECONDS, ApiError
from serving.http.event_intake import AWAY_SECONDS, NOTHING_KEPT, shown
from serving.http.metrics import Metrics
from serving.service_settings import ServiceSettings

logger = logging.getLogger(__name__)
Result = TypeVar("Result")
Put = tuple[list[Outcome], int]
"""Outcome of each item, and the number up to which a reader knows them."""


class ItemIntake:
    """Intake of one item store. The store is opened by the first item.

    Args:
        open_store: opens the store; called in a thread.
        reader: reader of the same store.
        settings: limits of the service.
        metrics: told the outcome of each item.
        now: present time, naive UTC.
    """

    def __init__(
        self,
        open_store: Callable[[], ItemStore],
        reader: ItemReader,
        settings: ServiceSettings,
        metrics: Metrics,
        *,
        now: Callable[[], datetime] = present_time,
    ) -> None:
        self._open, self._reader, self._settings, self._metrics, self._now = open_store, reader, settings, metrics, now
        # One at a time, and not asyncio's own threads: see `EventIntake`.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="item-store")
        self._store: ItemStore | None = None
        self._hidden: frozenset[str] = frozenset()
        self.problem: str | None = None
        """Reason why the newest items could not be kept; None if they were."""

    def checked(self, raw: Sequence[Any], schema: str) -> list[NewItem]:
        """Check the items of a request.

        Args:
            raw: the items as they came.
            schema: JSON of the features of the release.

        Raises:
            ApiError: an item cannot be used; the answer names its field.
        """
        most, features = self._settings.max_items, Schema.from_json(schema)
        if not 1 <= len(raw) <= most:
            raise self._invalid(raw, f"the request has {len(raw):,} items, wanted 1 to {most:,}")
        items = []
        for number, fields in enumerate(raw):
            if not isinstance(fields, dict):
                raise self._invalid(raw, f"items[{number}] is {shown(fields)}, wanted an object")
            try:
                items.append(parse_item(fields, features))
            except FieldError as error:
                where = f"items[{number}], of id {shown(fields.get('item_id'))}"
                raise self._invalid(raw, f"{where}: {error}", field=error.field) from error
        return items

    async def put(self, items: Sequence[NewItem], room: Room) -> Put:
        """Keep checked items that the release has room for, as of `ItemStore.put`.

        ApiError if the store is full or cannot be written; nothing is kept then.
        """
        try:
            outcomes, sequence = await self._write(lambda store: store.put(items, self._now(), room))
        except ItemStoreFullError as error:
            self._metrics.items.labels("refused").inc(len(items))
            raise ApiError(409, f"{error}; {NOTHING_KEPT}") from error
        for outcome in outcomes:
            self._metrics.items.labels(outcome.value).inc()
        return outcomes, sequence

    async def hide(self, item_id: str) -> None:
        """Hide an item durably; ApiError if the store cannot be written."""
        await self._write(lambda store: store.hide([item_id], self._now()))

    async def show(self, item_id: str) -> None:
        """Show an item again; ApiError if the store cannot be written."""
        await self._write(lambda store: store.show([item_id]))

    async def hidden(self) -> frozenset[str]:
        """Hidden items; those of the last look where the store cannot be read."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._look)

    def close(self) -> None:
        """Wait for what is being written, and close the reader."""
        self._thread.shutdown()
        self._reader.close()

    def _look(self) -> frozenset[str]:
        try:
            self._hidden = self._reader.hidden()
        except ItemStoreError as error:
            logger.warning("the hidden items stay as they are: %s", error)
        return self._hidden

    async def _write(self, write: Callable[[ItemStore], Result]) -> Result:
        try:
            written = await asyncio.get_running_loop().run_in_executor(self._thread, self._with_store, write)
        except (ItemStoreError, OSError) as error:
            text = str(error)
            # For clients without the path before it.
            self.problem = f"items cannot be kept: {text.partition(': ')[2] or text}"
            logger.error(text)
            pause = BUSY_SECONDS if isinstance(error, ItemStoreBusyError) else AWAY_SECONDS
            raise ApiError(503, f"{self.problem}; {NOTHING_KEPT}", retry_after=pause) from error
        self.problem = None
        return written

    def _with_store(self, write: Callable[[ItemStore], Result]) -> Result:
        self._store = self._store or self._open()
        return write(self._store)

    def _invalid(self, raw: Sequence[Any], problem: str, **details: Any) -> ApiError:
        self._metrics.items.labels("invalid").inc(len(raw))
        return ApiError(422, f"{problem}; {NOTHING_KEPT}", **details)
