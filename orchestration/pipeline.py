"""The whole asset graph in this process: what `gatehouse run` does."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import dagster as dg
from dagster._core.errors import DagsterAssetCheckFailedError

from orchestration.asset_values import Judged
from orchestration.definitions import defs
from orchestration.local.home import dagster_instance
from orchestration.reporting.failures import failed_checks
from orchestration.reporting.terminal import close_terminal


class CheckError(RuntimeError):
    """A blocking check failed; the message is what it found."""


def run_pipeline(config: Mapping[str, Any], *, quiet: bool = False) -> Judged:
    """Materialise every asset; return the evaluation of the judged version.

    `config` holds fields of `Workspace`.

    Needs a prepared home (`orchestration.local.home`). Ends at the first failure: CheckError if a blocking check fails,
    KeyboardInterrupt at Ctrl-C or SIGTERM, else what the asset raised. What was finished before is kept and used again.
    """
    run_id = str(uuid4())
    with dagster_instance() as instance, interrupts_kept():
        try:
            result = defs.resolve_job_def("release_job").execute_in_process(
                run_config={
                    "resources": {"workspace": {"config": {k: v for k, v in config.items() if v is not None}}},
                    "loggers": {"terminal": {"config": {"quiet": quiet}}},
                },
                instance=instance,
                run_id=run_id,
            )
        except DagsterAssetCheckFailedError as error:
            raise CheckError("\n".join(failed_checks(instance, run_id))) from error
        except dg.DagsterExecutionInterruptedError as error:
            raise KeyboardInterrupt from error
        finally:
            close_terminal()
    judged: Judged = result.asset_value("evaluation")
    return judged


@contextmanager
def interrupts_kept() -> Iterator[None]:
    """Send a Ctrl-C again that came while Python collected garbage.

    Errors are dropped in the callbacks of a collection.
    """
    hook = sys.unraisablehook

    def again(dropped: sys.UnraisableHookArgs) -> None:
        if issubclass(dropped.exc_type, KeyboardInterrupt | dg.DagsterExecutionInterruptedError):
            threading.Timer(0.05, _interrupt_main).start()
        else:
            hook(dropped)

    sys.unraisablehook = again
    try:
        yield
    finally:
        sys.unraisablehook = hook


def _interrupt_main() -> None:
    """Send SIGINT to the main thread.

    Where threads take no signals (Windows), simulate it.
    """
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()
