"""Files that several processes write and read at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from feature_repo.whole_file import whole_file, write_text

WRITERS, ROUNDS, LENGTH = 8, 40, 50_000


def test_of_several_writers_one_stays_and_readers_find_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "note.json"
    texts = {str(writer) * LENGTH for writer in range(WRITERS)}
    write_text(path, "0" * LENGTH)

    def write(text: str) -> bool:
        found = set()
        for _ in range(ROUNDS):
            write_text(path, text)
            found.add(path.read_text(encoding="utf-8"))
        return found <= texts

    with ThreadPoolExecutor(WRITERS) as threads:
        assert all(threads.map(write, texts))
    assert [each.name for each in tmp_path.iterdir()] == ["note.json"]


def test_a_writer_that_fails_leaves_the_former_file(tmp_path: Path) -> None:
    path = tmp_path / "note.json"
    write_text(path, "former")
    with pytest.raises(OSError, match="full"), whole_file(path) as partial:
        partial.write_text("ha")
        raise OSError("full")
    assert path.read_text(encoding="utf-8") == "former"
    assert [each.name for each in tmp_path.iterdir()] == ["note.json"]
