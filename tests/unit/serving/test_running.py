"""Services that are noted in a home."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serving.running import entries, forget, note, running

DEAD = 2**22 + 1


@pytest.fixture
def uri() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_service_is_found_until_it_is_forgotten(tmp_path: Path, uri: str) -> None:
    assert running(tmp_path, "serve-shop") is None
    note(tmp_path, "serve-shop", os.getpid(), uri)
    assert (running(tmp_path, "serve-shop"), running(tmp_path, "serve-films")) == (uri, None)
    forget(tmp_path, "serve-shop", os.getpid())
    assert running(tmp_path, "serve-shop") is None
    assert not (tmp_path / "services.json").exists()


def test_the_first_of_a_name_stays_and_one_that_has_ended_is_replaced(tmp_path: Path, uri: str) -> None:
    note(tmp_path, "serve-shop", DEAD, uri)
    note(tmp_path, "serve-shop", os.getpid(), uri)
    note(tmp_path, "serve-shop", os.getppid(), "http://127.0.0.1:1")
    forget(tmp_path, "serve-shop", os.getppid())
    assert entries(tmp_path) == {"serve-shop": {"pid": os.getpid(), "uri": uri}}


def test_services_that_are_noted_at_once_are_all_there(tmp_path: Path, uri: str) -> None:
    names = [f"serve-{number}" for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: note(tmp_path, name, os.getpid(), uri), names))
    assert entries(tmp_path).keys() == set(names)
