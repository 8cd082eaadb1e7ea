"""The log of exposures: each answer once, kept over a restart, and forgotten for good."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from serving.experiments.exposure import Exposure
from serving.experiments.exposure_log import ExposureLog, ExposureLogError, read_lines
from tests.unit.serving.experiments.test_exposure import EXPOSURE

OTHERS = [replace(EXPOSURE, request_id="r2"), replace(EXPOSURE, user_id="v"), replace(EXPOSURE, experiment="else")]


def kept(path: Path, experiment: str = "test") -> list[Exposure]:
    return [Exposure.from_json(line) for line in read_lines(path, experiment)]


def test_an_answer_to_a_user_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log, again = ExposureLog(path), replace(EXPOSURE, items=("3", "4"))
    assert log.keep([EXPOSURE, again, *OTHERS]) == 4
    log.close()
    assert ExposureLog(path).keep([again, replace(EXPOSURE, request_id="r3")]) == 1
    assert kept(path) == [EXPOSURE, *OTHERS[:2], replace(EXPOSURE, request_id="r3")]
    assert kept(path, "else") == OTHERS[2:]
    assert kept(tmp_path / "absent.db") == []
    assert not (tmp_path / "absent.db").exists()


@pytest.mark.parametrize("is_shared", [False, True])
def test_a_user_is_forgotten_for_good(tmp_path: Path, is_shared: bool) -> None:
    path = tmp_path / "log.db"
    secret = replace(EXPOSURE, user_id="somebody-secret")
    log = ExposureLog(path, is_shared=is_shared)
    log.keep([secret, *OTHERS])
    # Memory that processes share belongs to the write-ahead log, which is of no use between hosts.
    assert path.with_name("log.db-shm").exists() is not is_shared
    assert log.forget("somebody-secret") == 1
    assert kept(path) == OTHERS[:2]
    assert not any(b"somebody-secret" in file.read_bytes() for file in tmp_path.iterdir())


def test_two_processes_write_one_log(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    first, second = ExposureLog(path), ExposureLog(path)
    assert [log.keep([each]) for log, each in zip((first, second, first), OTHERS, strict=True)] == [1, 1, 1]
    assert len(kept(path)) == 2


def test_a_log_that_others_make_at_the_same_moment_is_one_log(tmp_path: Path) -> None:
    for number in range(30):
        path = tmp_path / f"{number}.db"
        with ThreadPoolExecutor(8) as pool:
            logs = list(pool.map(lambda _, path=path: ExposureLog(path), range(8)))
        for log in logs:
            log.close()


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    sqlite3.connect(path).executescript("CREATE TABLE t (x); PRAGMA user_version = 7;")
    with pytest.raises(ExposureLogError, match="wanted format 1 of the log of exposures; it is of format 7"):
        ExposureLog(path)
    path.write_bytes(b"no database at all, but long enough to be one" * 30)
    with pytest.raises(ExposureLogError, match="file is not a database; see to the disk"):
        ExposureLog(path)
