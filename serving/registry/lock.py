"""A lock in the registry, for homes that share it.

MLflow has no compare-and-set. It refuses a second registered model of a name, though, and deletes one without versions
for good: such a model is the lock.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from serving.registry.connection import Connection
from serving.registry.holder import HOLDER, holder
from serving.settings import Settings

TOKEN, UNTIL = "gatehouse.token", "gatehouse.until"
"""Tags of the lock beside its holder: one of a kind, and the time (ISO, UTC) until which it counts."""
LIFE = timedelta(minutes=10)
"""Time after which a lock is what a killed process left behind. Clocks of machines differ by less."""
TAKEN, GONE = "RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"


def lock_name(dataset: str) -> str:
    """Name of the registered model that is the lock of a dataset's champion."""
    return f"{dataset}-promotion-lock"  # with hyphens, which no dataset has in its name


class RegistryLock(Connection):
    """The lock of a dataset's champion. Within one home, only one process may use it at a time."""

    def __init__(self, settings: Settings, dataset: str) -> None:
        super().__init__(settings, dataset)
        self.name = lock_name(dataset)
        self.holder = holder(settings)
        self.token = uuid4().hex

    def take(self) -> str | None:
        """Try to take the lock; returns None, or the home that has it."""
        if self._create():
            return None
        tags = self._tags()
        holder = tags.get(HOLDER, "another home")
        # Of a process that was killed: its own home lets one in at a time.
        is_left = bool(tags) and (holder == self.holder or datetime.fromisoformat(tags[UNTIL]) < datetime.now(UTC))
        # Another home may have replaced it since: only what was found to be left is deleted.
        if is_left and self._tags().get(TOKEN) == tags[TOKEN]:
            self._delete()
        return None if is_left and self._create() else holder

    def is_held(self) -> bool:
        """Whether the lock is still this one's, and no other home has replaced it since."""
        return self._tags().get(TOKEN) == self.token

    def give_back(self) -> None:
        """Give the lock back, unless another home has replaced it."""
        if self.is_held():
            self._delete()

    def _create(self) -> bool:
        """Make the lock; False if there is one."""
        from mlflow.exceptions import MlflowException

        tags = {TOKEN: self.token, HOLDER: self.holder, UNTIL: (datetime.now(UTC) + LIFE).isoformat()}
        try:
            self._client.create_registered_model(self.name, tags=tags)
        except MlflowException as error:
            # Gone: another home had it, and gave it back before MLflow could say whose it was.
            if error.error_code not in (TAKEN, GONE):
                raise
            return False
        return True

    def _tags(self) -> dict[str, str]:
        """Return the tags of the lock; none if nobody has it."""
        from mlflow.exceptions import MlflowException

        try:
            found: Any = self._client.get_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != GONE:
                raise
            return {}
        return dict(found.tags)

    def _delete(self) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.delete_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != GONE:  # else another home was quicker
                raise
