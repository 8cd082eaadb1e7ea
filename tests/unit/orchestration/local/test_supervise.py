"""Child processes that live and end together: real ones, small."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from orchestration.local import supervise as module
from orchestration.local.supervise import Service, supervise

STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if sys.argv[1] == "parent":  # a child in a group of its own, which does not end when its parent does
    subprocess.Popen([sys.executable, "-m", "stubborn", "child"], process_group=0)
open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(60)
"""
POLITE = """
import signal, sys, time
def end(number, frame):
    open("ended", "w").write(str(number))
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, end)
open("polite", "w").close()
time.sleep(60)
"""
BROKEN = "raise SystemExit('no such table: runs')"


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules to run in the current folder, outside the children's path.

    Waits are shorter.
    """
    folder = tmp_path / "modules"
    folder.mkdir()
    for name, source in {"stubborn": STUBBORN, "polite": POLITE, "broken": BROKEN}.items():
        (folder / f"{name}.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "STOP_SECONDS", 1.5)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.02)


def service(*command: str, ready: str, stop: signal.Signals = signal.SIGTERM, after: str | None = None) -> Service:
    def is_ready(_: float) -> bool:
        return Path(ready).exists()

    return Service(name=command[0], title=command[0], command=command, uri="", ready=is_ready, stop=stop, after=after)


def run(*services: Service, number: signal.Signals = signal.SIGINT) -> list[int]:
    """Supervise services until all work; return the process ids of those that did."""
    pids: list[int] = []

    def works(_: Service, pid: int) -> None:
        pids.append(pid)
        if len(pids) == len(services):
            os.kill(os.getpid(), number)

    supervise(services, Path(), works=works, echo=lambda _: None)
    return pids


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.fixture(autouse=True)
def a_terminal_that_can_hang_up() -> Iterator[None]:
    """Terminal that can hang up: under nohup, SIGHUP would be ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_ends_by_its_own_signal_whatever_asked_for_the_end(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    (pid,) = run(service("polite", ready="polite", stop=signal.SIGINT), number=number)
    assert Path("ended").read_text() == str(int(signal.SIGINT))
    assert not alive(pid)
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_a_process_that_ignores_the_signal_is_killed_with_its_children() -> None:
    run(service("stubborn", "parent", ready="child"))
    assert not alive(int(Path("parent").read_text()))
    assert not alive(int(Path("child").read_text()))


def test_services_end_with_their_children_without_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has no process groups, no sessions and no SIGHUP."""
    for name in ("killpg", "getsid"):
        monkeypatch.delattr(os, name)
    monkeypatch.delattr(signal, "SIGHUP")
    run(service("stubborn", "parent", ready="child"), number=signal.SIGINT)
    assert not alive(int(Path("parent").read_text()))
    assert not alive(int(Path("child").read_text()))


def test_services_end_although_the_terminal_is_gone() -> None:
    def works(_: Service, __: int) -> None:
        os.kill(os.getpid(), signal.SIGHUP)

    def echo(line: str) -> None:
        raise OSError(f"nobody reads {line!r}")

    supervise([service("polite", ready="polite")], Path(), works=works, echo=echo)
    assert Path("ended").exists()


def test_a_service_that_ends_by_itself_is_named_with_the_end_of_its_log_and_ends_the_others() -> None:
    with pytest.raises(RuntimeError, match=r"broken ended by itself \(exit status 1\); .*broken\.log:\nno such table"):
        run(service("polite", ready="polite"), service("broken", ready="never", after="polite"))
    assert Path("ended").exists()


def test_a_service_that_never_works_is_named_with_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "START_SECONDS", 0.5)
    with pytest.raises(RuntimeError, match=r"no answer within 0.5 s from stubborn \(see stubborn\.log\)"):
        run(service("polite", ready="polite"), service("stubborn", "alone", ready="never"))
    assert Path("ended").exists()


def test_a_service_waits_for_the_one_before_it() -> None:
    with pytest.raises(RuntimeError, match="broken ended"):
        run(service("stubborn", "alone", ready="never", after="broken"), service("broken", ready="never"))
    assert not Path("alone").exists()


def test_a_folder_named_like_a_module_is_not_taken_for_it() -> None:
    Path("polite.py").write_text("raise SystemExit('the wrong one')")
    run(service("polite", ready="polite"))
    assert Path("ended").exists()


def test_a_child_in_a_session_of_its_own_is_ended_too() -> None:
    Path("modules/apart.py").write_text(STUBBORN.replace("process_group=0", "start_new_session=True"))
    Path("modules/stubborn.py").write_text(STUBBORN)
    run(service("apart", "parent", ready="child"))
    assert not alive(int(Path("child").read_text()))


def test_what_a_service_says_is_told_and_a_later_one_is_started() -> None:
    said: list[str] = []
    Path("modules/speaking.py").write_text(
        "import time\nprint('http://x; logs', flush=True)\nprint('it serves\\nh', end='', flush=True)\ntime.sleep(60)\n"
    )
    speaking = Service(
        name="speaking", title="shop", command=("speaking",), uri="http://x", ready=lambda _: True, speaks=True
    )
    later = iter([[speaking]])

    def echo(line: str) -> None:
        said.append(line)
        if line == "shop: it serves":
            os.kill(os.getpid(), signal.SIGINT)

    first = service("polite", ready="polite")
    supervise([first], Path(), works=lambda *_: None, echo=echo, further=lambda: next(later, []))
    assert said == ["all services work; Ctrl-C stops them", "shop: it serves", "stopping"]
