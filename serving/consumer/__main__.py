"""Process of the consumer: `python -m serving.consumer DATASET`.

Each line on stdout is an object: `position`, the number up to which the online features
have the events, or `problem`. The end of stdin ends the process.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from functools import partial
from threading import Event, Thread
from typing import Any

from feature_repo.errors import InputError, NewerOnlineError
from feature_repo.events.base_note import kinds_reader
from feature_repo.events.consumer import EVENTS_AT_ONCE, Consumer
from feature_repo.events.follow import follow
from feature_repo.events.log import EventLog
from feature_repo.items.known import NewItemIds
from serving.consumer.schemas import champion_schemas, kept_schemas
from serving.registry.sqlite import open_registry
from serving.settings import Settings

logger = logging.getLogger("serving.consumer")


class ToldConsumer(Consumer):
    """Consumer that tells its position."""

    is_current: Callable[[], bool] = staticmethod(lambda: True)
    """Whether it was opened for the champion and the kinds of events of now."""

    def check(self) -> None:
        """Check as of `Consumer.check`, and `is_current`."""
        super().check()
        if not self.is_current():
            raise NewerOnlineError("the champion or the kinds of events have changed: they count from now on")

    def step(self, limit: int = EVENTS_AT_ONCE) -> int:
        """Take a step as of `Consumer.step`, and tell the position after it."""
        taken = super().step(limit)
        if taken:
            _tell({"position": self._position})
        return taken


def main(dataset: str, environ: Mapping[str, str]) -> None:
    """Bring events online until stdin ends.

    Args:
        dataset: name of the dataset.
        environ: variables of the settings.
    """
    # Ctrl-C in a terminal reaches all processes; the front ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s consumer %(levelname)s %(message)s")
    stop = Event()
    Thread(target=_wait_for_end, args=(stop,), daemon=True).start()
    settings = Settings.from_environment(environ)
    log = settings.open_event_log(dataset)
    follow(partial(open_consumer, settings, dataset, log), stop, _tell_problem)


def _wait_for_end(stop: Event) -> None:
    sys.stdin.read()
    stop.set()


def open_consumer(settings: Settings, dataset: str, log: EventLog) -> Consumer:
    """Open a consumer for all kept releases, else for the champion alone, and tell so.

    Args:
        settings: the home.
        dataset: name of the dataset.
        log: the log.

    Raises:
        InputError: the champion's features cannot be kept fresh.
        NewerOnlineError: a run is loading newer data at this moment.
    """
    champion = open_registry(settings, dataset).champion()
    read_kinds = kinds_reader(settings.feast_home, dataset)
    kinds = read_kinds()
    new_items = NewItemIds(settings.item_store(dataset))
    opened = partial(
        ToldConsumer.open,
        log,
        settings.feast_home,
        dataset,
        online=settings.online_store,
        registry=settings.feature_registry,
        new_items=new_items,
    )
    try:
        consumer = opened(schemas=kept_schemas(settings, dataset))
    except InputError as error:
        consumer = opened(schemas=champion_schemas(settings, dataset))
        _tell({"note": f"only the champion's features are kept fresh: {error}"})
    assert isinstance(consumer, ToldConsumer)
    consumer.is_current = lambda: _champion(settings, dataset, champion) == champion and read_kinds() == kinds
    _tell({"position": log.newest() - consumer.lag})
    return consumer


def _champion(settings: Settings, dataset: str, former: int | None) -> int | None:
    """Version of the champion; the former one while the registry cannot be read."""
    try:
        return open_registry(settings, dataset).champion()
    except Exception:  # MLflow's own, or those of any connection
        logger.warning("the registry cannot be read", exc_info=True)
        return former


def _tell_problem(problem: str) -> None:
    logger.warning(problem)
    _tell({"problem": problem})


def _tell(line: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], os.environ)
