"""Options of a run, and folders that are complete or absent."""

from __future__ import annotations

import os
import threading
import time
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

import serving
from feature_repo.errors import InputError
from orchestration.workspace import Workspace, code_digest, fill
from training.baselines import BASELINES, CHEAP_BASELINES


def write(folder: Path) -> None:
    (folder / "content").write_text("whole")


def break_off(folder: Path) -> None:
    (folder / "content").write_text("ha")
    raise KeyboardInterrupt


class TestFill:
    def test_builds_once(self, tmp_path: Path) -> None:
        folder = tmp_path / "a" / "b"
        assert [fill(folder, write), fill(folder, break_off)] == [True, False]
        assert (folder / "content").read_text() == "whole"

    def test_an_interrupted_folder_is_absent_and_built_next_time(self, tmp_path: Path) -> None:
        with pytest.raises(KeyboardInterrupt):
            fill(tmp_path / "a", break_off)
        assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []
        assert fill(tmp_path / "a", write)

    def test_leftovers_of_a_killed_process_are_discarded(self, tmp_path: Path) -> None:
        (tmp_path / "a.partial").mkdir()
        (tmp_path / "a.partial" / "old").write_text("ha")
        fill(tmp_path / "a", write)
        assert [path.name for path in (tmp_path / "a").iterdir()] == ["content"]
        assert not (tmp_path / "a.partial").exists()

    @pytest.mark.skipif(os.name != "posix", reason="folders cannot be opened")
    def test_the_content_is_on_the_disk_before_the_folder_has_its_name(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        flushed: list[int] = []

        def flush(opened: int) -> None:
            assert not (tmp_path / "a").exists()
            flushed.append(os.fstat(opened).st_ino)

        monkeypatch.setattr("orchestration.workspace.os.fsync", flush)
        fill(tmp_path / "a", write)
        assert {(tmp_path / "a").stat().st_ino, (tmp_path / "a" / "content").stat().st_ino} <= set(flushed)

    def test_of_several_at_once_one_builds_and_the_others_wait(self, tmp_path: Path) -> None:
        built: list[bool] = []

        def slowly(folder: Path) -> None:
            time.sleep(0.2)
            write(folder)

        def work() -> None:
            built.append(fill(tmp_path / "a", slowly))
            assert (tmp_path / "a" / "content").read_text() == "whole"

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(built) == [False, False, False, True]


def test_another_release_of_a_package_that_computes_is_another_code(monkeypatch: pytest.MonkeyPatch) -> None:
    code_digest.cache_clear()
    before = code_digest()
    other = {"polars": "99"}
    monkeypatch.setattr("orchestration.workspace.metadata.version", lambda name: other.get(name) or version(name))
    code_digest.cache_clear()
    after = code_digest()
    code_digest.cache_clear()
    assert after != before


class TestWorkspace:
    @pytest.fixture(autouse=True)
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path))
        monkeypatch.delenv("GATEHOUSE_POLICY", raising=False)

    @pytest.mark.parametrize(
        ("as_of", "moment"),
        [
            (None, None),
            ("2024-05-31", datetime(2024, 5, 31)),
            ("2024-05-31T18:00", datetime(2024, 5, 31, 18)),
            ("2024-05-31T18:00+02:00", datetime(2024, 5, 31, 16)),
            ("2024-05-31T18:00Z", datetime(2024, 5, 31, 18)),
        ],
    )
    def test_moments_are_utc(self, as_of: str | None, moment: datetime | None) -> None:
        assert Workspace(as_of=as_of).moment == moment

    def test_a_moment_that_is_none(self) -> None:
        with pytest.raises(InputError, match="'tomorrow': wanted an ISO time"):
            _ = Workspace(as_of="tomorrow").moment

    def test_mistakes_that_would_show_after_the_training(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        Workspace().check()
        with pytest.raises(ValueError, match="no recipe 'bse'"):
            Workspace(recipe="bse").check()
        (tmp_path / "gate.yaml").write_text("index_recal: 0.9\n")
        monkeypatch.setenv("GATEHOUSE_POLICY", str(tmp_path / "gate.yaml"))
        with pytest.raises(ValueError, match="gate policy"):
            Workspace().check()

    def test_values_of_different_data_do_not_meet(self) -> None:
        folders = {
            Workspace(dataset="own", data="a").values_folder,
            Workspace(dataset="own", data="b").values_folder,
            Workspace(dataset="own").values_folder,
            Workspace(dataset="tiny").values_folder,
        }
        assert len(folders) == 4
        assert Workspace(dataset="own", data="a", seed=1).values_folder in folders

    def test_the_same_key_is_the_same_folder(self, tmp_path: Path) -> None:
        workspace = Workspace()
        folders = [workspace.folder("shop", *key) for key in (("data", "now"), ("data", "now"), ("data", "later"))]
        assert folders[0] == folders[1] != folders[2]
        assert {folder.parent for folder in folders} == {tmp_path / "data" / "shop"}


class TestBaselines:
    def test_a_plain_run_measures_those_of_the_gate_and_those_that_count(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cheap = ("popularity", "recent_popularity", "personal_frequency", "personal_recency")
        assert Workspace().baseline_names == (*cheap, "als")
        policy = yaml.safe_load((Path(serving.__file__).parent / "gate.yaml").read_text())
        policy["superiority"] = [{"against": "ease", "metrics": ["all/recall@20"]}]
        (tmp_path / "gate.yaml").write_text(yaml.safe_dump(policy))
        monkeypatch.setenv("GATEHOUSE_POLICY", str(tmp_path / "gate.yaml"))
        assert Workspace().baseline_names == (*cheap, "ease")

    def test_all_and_names_beside_those_of_the_gate(self) -> None:
        assert Workspace(baselines="all").baseline_names == BASELINES
        named = Workspace(baselines="ease, item_knn").baseline_names
        assert set(named) == {*CHEAP_BASELINES, "als", "item_knn", "ease"}

    def test_no_names_take_away_what_a_version_must_not_be_beaten_by(self) -> None:
        """The nights repeat the option."""
        for name in BASELINES:
            assert set(Workspace().baseline_names) <= set(Workspace(baselines=name).baseline_names)

    def test_an_unknown_name_is_refused_before_the_run(self) -> None:
        with pytest.raises(ValueError, match="got the baselines eas; wanted some of popularity"):
            Workspace(baselines="eas").check()
