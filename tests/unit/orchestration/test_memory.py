"""Freed memory goes back to the system between the steps of a job."""

from __future__ import annotations

import platform

import psutil
import pytest

from orchestration import memory
from orchestration.definitions import defs
from orchestration.memory import Memory, give_back_memory

BLOCKS, BLOCK = 3_000, 60_000


def resident() -> int:
    return int(psutil.Process().memory_info().rss)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps freed pieces and can give them back")
def test_freed_pieces_go_back() -> None:
    process = Memory()
    process.give_back()
    before = resident()
    blocks = [bytearray(b"x" * BLOCK) for _ in range(BLOCKS)]
    kept = blocks[::100]  # without these the allocator itself would give back what lies at the end
    del blocks
    assert process.give_back()
    assert resident() - before < BLOCKS * BLOCK / 3
    assert len(kept) == BLOCKS // 100


def test_a_step_that_took_little_is_left_alone_until_little_becomes_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each collection looks at all objects of the process."""
    process, megabyte, collections = Memory(), 1_000_000, []
    monkeypatch.setattr(memory, "_give_back", lambda: collections.append(None))
    grown = []
    for size in (500, 590, 601, 690, 300, 390, 401):
        monkeypatch.setattr(memory, "_resident", lambda size=size: size * megabyte)
        grown.append(process.give_back())
    assert grown == [True, False, True, False, False, False, True]
    assert len(collections) == 3


def test_every_step_of_the_job_gives_back() -> None:
    assert give_back_memory in defs.resolve_job_def("release_job").hook_defs
