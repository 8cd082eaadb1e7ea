"""Process of one engine: `python -m serving.engine DATASET VERSION [preview] [beside]`.

The first line on stdout says `ready` with the facts of the release, or `refused` with the reason. Then each line on
stdin is a batch, and each line on stdout its answers, in the same order. The end of stdin ends the process. A preview
is for people who judge a version: it is verified like any other, and its verdict need not be passed. Beside another
engine that answers, it is loaded at low priority.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from serving.engine.low_priority import loaded
from serving.engine.stages import Stages
from serving.service_settings import ServiceSettings
from serving.settings import Settings

if TYPE_CHECKING:
    from serving.engine.answerer import Answerer

logger = logging.getLogger("serving.engine")


def main(
    dataset: str, version: int, environ: Mapping[str, str], *, is_preview: bool = False, is_beside: bool = False
) -> int:
    """Load a version, answer batches until stdin ends, and return the exit status.

    Args:
        dataset: name of the dataset.
        version: number of the version.
        environ: variables of the settings.
        is_preview: whether its verdict need not be passed.
        is_beside: whether another engine answers meanwhile.
    """
    # Ctrl-C in a terminal is for the front, which ends this process when its requests are done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    questions, answers = sys.stdin.buffer, _own_stdout()
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format=f"%(asctime)s v{version} %(levelname)s %(message)s"
    )
    try:
        # After stdout is taken: these imports may print.
        import_module("polars")  # its threads stay, so they must not have the low priority
        loaded(lambda: import_module("serving.engine.opening"), is_beside=is_beside)
        from serving.engine.opening import open_answerer

        settings, service = Settings.from_environment(environ), ServiceSettings.from_environment(environ)
        stages = Stages()
        beside = {"is_preview": is_preview, "is_beside": is_beside}
        with open_answerer(settings, service, dataset, version, stages, **beside) as answerer:
            _serve(answerer, stages, questions, answers)
    except BrokenPipeError:
        return 0  # the front has ended
    except Exception as error:
        logger.exception("version %d does not serve", version)
        _write(answers, {"refused": str(error)})
        return 1
    return 0


def _serve(answerer: Answerer, stages: Stages, questions: BinaryIO, answers: BinaryIO) -> None:
    """Say that the version is open, and answer line by line."""
    from serving.engine.facts import facts

    version = answerer.release.manifest.version
    stages.take()
    _write(answers, {"ready": facts(answerer)})
    for line in questions:
        with stages.stage("engine"):
            found = answerer.answer(orjson.loads(line))
        _write(answers, {"version": version, "answers": found, "stages": stages.take()})


def _own_stdout() -> BinaryIO:
    """Take stdout for the answers; what a package prints goes to stderr."""
    own = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return own


def _write(answers: BinaryIO, line: Any) -> None:
    answers.write(orjson.dumps(line, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE))
    answers.flush()


if __name__ == "__main__":
    words = sys.argv[3:]
    status = main(sys.argv[1], int(sys.argv[2]), os.environ, is_preview="preview" in words, is_beside="beside" in words)
    sys.stderr.flush()
    # Not `sys.exit`, which would wait for a read of the online store that hangs.
    os._exit(status)
