"""The online store behind a time limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from feature_repo.errors import InputError
from feature_repo.schema import Entity
from serving.engine.guarded_store import GuardedStore
from serving.engine.stages import Stages
from serving.guard import AwayError

SECONDS = 0.05


class Store:
    """A store that does as told; its methods know the thread that made it."""

    made: list[Store]

    def __init__(self, read: Callable[[], Any]) -> None:
        self._read, self.thread = read, threading.get_ident()

    def known(self, entity: Entity) -> list[str]:
        assert threading.get_ident() == self.thread
        found: list[str] = self._read()
        return found

    def read_rows(self, entity: Entity, ids: list[str]) -> Any:
        return self._read()


class World:
    def __init__(self) -> None:
        self.now, self.made, self.reads = 0.0, 0, 0
        self.answer: Callable[[], Any] = lambda: ["anna"]
        self.stages = Stages()
        self.store = GuardedStore(self._make, SECONDS, self.stages, clock=lambda: self.now)

    def _make(self) -> Any:
        self.made += 1
        return Store(self._read)

    def _read(self) -> Any:
        self.reads += 1
        return self.answer()

    def read(self) -> Any:
        return self.store._read("known", Entity.USER)


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    assert world.read() == ["anna"]
    yield world
    world.store._guard._pool.shutdown()


def test_reads_have_one_store_and_are_a_stage(world: World) -> None:
    world.stages.take()
    world.answer = lambda: time.sleep(0.01)
    world.read()
    assert (world.made, world.reads) == (1, 2)
    assert world.stages.take()["features"] >= 10


def test_the_first_answers_wait_for_connections(world: World) -> None:
    world.answer = lambda: time.sleep(4 * SECONDS) or ["bert"]
    reads = partial(world.store._read, "read_rows", Entity.USER, ["anna"])
    with world.store.opening():
        assert reads() == ["bert"]
    with pytest.raises(AwayError):
        reads()


def test_after_an_error_no_read_is_tried_for_a_growing_while(world: World) -> None:
    def broken() -> None:
        raise ConnectionError("refused")

    world.answer = broken
    with pytest.raises(AwayError, match=r"does not answer \(ConnectionError\)"):
        world.read()
    with pytest.raises(AwayError):
        world.read()
    assert world.reads == 2  # the second failure was not a read
    world.now = 0.6
    with pytest.raises(AwayError):
        world.read()
    world.now = 1.5  # the second pause takes a second
    with pytest.raises(AwayError):
        world.read()
    assert world.reads == 3
    world.now, world.answer = 2, lambda: ["anna"]
    assert world.read() == ["anna"]
    world.answer = broken
    with pytest.raises(AwayError):
        world.read()
    world.now, world.answer = 2.5, lambda: ["anna"]  # the first pause again
    assert world.read() == ["anna"]


def test_a_read_that_hangs_delays_one_batch_and_recovery_has_a_thread_of_its_own(world: World) -> None:
    hanging = threading.Event()
    world.answer = lambda: hanging.wait(5)
    started = time.monotonic()
    with pytest.raises(AwayError, match=r"no answer within 0\.05 s"):
        world.read()
    with pytest.raises(AwayError):
        world.read()
    assert time.monotonic() - started < 1
    world.now, world.answer = 1, lambda: ["anna"]
    assert world.read() == ["anna"]  # in another thread, by another store
    assert world.made == 2
    hanging.set()


def test_what_was_never_loaded_is_no_failure_of_the_store(world: World) -> None:
    def missing() -> None:
        raise InputError("the seen items are not online")

    world.answer = missing
    for _ in range(2):
        with pytest.raises(InputError, match="not online"):
            world.read()
    assert world.reads == 3


def test_a_row_that_cannot_be_read_is_no_failure_of_the_store(world: World) -> None:
    world.answer = lambda: {}["broken"]
    for _ in range(2):
        with pytest.raises(KeyError):
            world.read()
    assert world.reads == 3
