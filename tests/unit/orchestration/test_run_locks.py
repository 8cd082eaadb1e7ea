"""A run that was killed is told from one at work, and from one that has ended."""

from contextlib import ExitStack, nullcontext
from pathlib import Path

import dagster as dg
import pytest

from orchestration import run_locks
from orchestration.local.services import is_locked
from orchestration.run_locks import held, lock_files, was_killed
from orchestration.workspace import Workspace
from tests.unit.orchestration.killed_world import process_at_work


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "dagster").mkdir()
    return tmp_path


def test_a_process_that_was_killed_is_gone_and_one_at_work_is_not(home: Path) -> None:
    with process_at_work(home, "run") as process:
        assert not was_killed(home, "run")
        process.kill()
        process.wait()
        assert was_killed(home, "run")


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_that_has_ended_was_not_killed(home: Path, fails: bool) -> None:
    with pytest.raises(RuntimeError) if fails else nullcontext(), held(home, "run"):
        assert is_locked(lock_files(home, "run")[0])
        if fails:
            raise RuntimeError("as it was asked to")
    assert not was_killed(home, "run")
    assert not any(path.exists() for path in lock_files(home, "run"))


def test_nothing_is_said_of_a_run_on_another_host(home: Path) -> None:
    with process_at_work(home, "run") as process:
        process.kill()
        process.wait()
    lock_files(home, "run")[1].write_text("another-host")
    assert not was_killed(home, "run")


@pytest.mark.parametrize("moment", ["beginning", "ending"])
def test_a_run_that_begins_or_ends_during_the_look_was_not_killed(
    home: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    with ExitStack() as stack:
        if moment == "ending":
            stack.enter_context(held(home, "run"))

        def free(_: Path) -> bool:
            """A look just after the end, or just before the beginning."""
            stack.close() if moment == "ending" else stack.enter_context(held(home, "run"))
            return False

        monkeypatch.setattr(run_locks, "is_locked", free)
        assert not was_killed(home, "run")


def test_nothing_is_said_of_a_run_without_a_lock(home: Path) -> None:
    assert not was_killed(home, "run")


def test_a_home_without_a_folder_of_dagster_gets_none(tmp_path: Path) -> None:
    with held(tmp_path, "run"):
        assert list(tmp_path.iterdir()) == []


def test_each_run_with_a_workspace_holds_its_lock(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEHOUSE_HOME", str(home))
    found: list[bool] = []

    @dg.op
    def look(context: dg.OpExecutionContext, workspace: Workspace) -> None:
        found.append(is_locked(lock_files(home, context.run_id)[0]))

    @dg.job(resource_defs={"workspace": Workspace()})
    def looking() -> None:
        look()

    with dg.DagsterInstance.ephemeral() as instance:
        run = looking.execute_in_process(instance=instance).run_id
    assert found == [True]
    assert not any(path.exists() for path in lock_files(home, run))


def test_a_program_that_a_killed_run_has_left_behind_holds_no_lock(home: Path) -> None:
    with process_at_work(home, "run", "import subprocess; subprocess.Popen(['sleep', '5'])") as process:
        process.kill()
        process.wait()
        assert was_killed(home, "run")
