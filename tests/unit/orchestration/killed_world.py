"""A process that holds the lock of a run until it is killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[3]
CODE = """
import sys, time
from pathlib import Path
from orchestration.run_locks import held
with held(Path(sys.argv[1]), sys.argv[2]):
    exec(sys.argv[3])
    print("at work", flush=True)
    time.sleep(600)
"""


@contextmanager
def process_at_work(home: Path, run: str, code: str = "") -> Iterator[subprocess.Popen[str]]:
    """A process that has begun a run.

    Args:
        home: home folder.
        run: id of the run.
        code: what it does first.
    """
    command = [sys.executable, "-c", CODE, str(home), run, code]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "at work\n"
            yield process
        finally:
            process.kill()
