"""Freed memory goes back to the system between the steps of a job."""

from __future__ import annotations

import platform

import psutil
import pytest

from orchestration.definitions import defs
from orchestration.memory import give_back, give_back_memory

BLOCKS, BLOCK = 3_000, 60_000


def resident() -> int:
    return int(psutil.Process().memory_info().rss)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps freed pieces and can give them back")
def test_freed_pieces_go_back() -> None:
    before = resident()
    blocks = [bytearray(b"x" * BLOCK) for _ in range(BLOCKS)]
    kept = blocks[::100]  # without these the allocator itself would give back what lies at the end
    del blocks
    give_back()
    assert resident() - before < BLOCKS * BLOCK / 3
    assert len(kept) == BLOCKS // 100


def test_every_step_of_the_job_gives_back() -> None:
    assert give_back_memory in defs.resolve_job_def("release_job").hook_defs
