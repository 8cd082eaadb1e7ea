"""Home folder: what must be in it before anything is imported or started.

And in the environment. `python -m orchestration.local.home` prepares it for processes that
Gatehouse does not start, such as Dagster's own in a container.
"""

from __future__ import annotations

import logging
import os
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING

from feature_repo.whole_file import write_text
from serving.settings import Settings
from serving.variables import DAGSTER_STORAGE

if TYPE_CHECKING:
    from dagster import DagsterInstance

FORMER_YAML = """\
# Dagster's own state. Runs, events and schedules are kept in SQLite beside this file unless a storage is named here:
# https://docs.dagster.io/deployment/oss/dagster-yaml
telemetry:
  enabled: false
nux:
  enabled: false
"""
DAGSTER_YAML = f"""\
{FORMER_YAML}# Ticks are kept for a month, those that asked for nothing for three days: a sensor has 2,880 a day.
retention:
  schedule:
    purge_after_days: 30
  sensor:
    purge_after_days: {{skipped: 3, started: 30, success: 30, failure: 30}}
"""
"""What a home gets; of one from before there was a retention, FORMER_YAML."""
STORAGE_YAML = f"""\
storage:
  postgres:
    postgres_url:
      env: {DAGSTER_STORAGE}
"""
QUIET = {
    "DO_NOT_TRACK": "1",
    "FEAST_USAGE": "False",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""Nothing phones home."""
LOG_BYTES, LOG_FILES = 5_000_000, 3


def prepare_home(settings: Settings) -> None:
    """Make the home folder with Dagster's instance in it.

    Set the environment of this process and its children.

    What is there already stays as it is, an edited dagster.yaml too. RuntimeError if another version of Gatehouse wrote
    the home, or its dagster.yaml and GATEHOUSE_DAGSTER_STORAGE disagree.
    """
    settings.create_home()
    home = settings.home.absolute()
    dagster = home / "dagster"
    for folder in (dagster, logs(settings)):
        folder.mkdir(exist_ok=True)
    _prepare_dagster_yaml(dagster / "dagster.yaml", settings)
    # Before the packages are imported: several read these variables only then.
    os.environ.update(QUIET, GATEHOUSE_HOME=str(home), DAGSTER_HOME=str(dagster))


def _prepare_dagster_yaml(path: Path, settings: Settings) -> None:
    """Write the file if it is missing, or as Gatehouse writes it for the other storage.

    Where the settings name another file, it is a copy of that.

    Raises:
        RuntimeError: an edited file and GATEHOUSE_DAGSTER_STORAGE disagree.
    """
    has_storage = settings.dagster_storage is not None
    texts = {False: DAGSTER_YAML, True: DAGSTER_YAML + STORAGE_YAML}
    found = path.read_text(encoding="utf-8") if path.exists() else None
    given = settings.dagster_yaml.read_text(encoding="utf-8") if settings.dagster_yaml else None
    wanted = given
    if given is None and found in (None, texts[not has_storage], FORMER_YAML, FORMER_YAML + STORAGE_YAML):
        wanted = texts[has_storage]
    if wanted is not None and wanted != found:
        write_text(path, wanted)  # another command may be reading it
    if has_storage != (DAGSTER_STORAGE in (wanted or found or "")):
        raise RuntimeError(
            f"{DAGSTER_STORAGE} is {'set' if has_storage else 'not set'}, and {path}, which was edited,"
            f" {'does not name' if has_storage else 'names'} it: mend one of them; the lines are\n{STORAGE_YAML}"
        )


def dagster_instance() -> DagsterInstance:
    """Dagster's instance of the prepared home; use it as a context manager.

    Dagster makes its databases when it is first opened, and two processes doing so at once leave them unusable for
    good: so one makes them, the others wait.
    """
    from dagster import DagsterInstance
    from filelock import FileLock

    with FileLock(Path(os.environ["DAGSTER_HOME"]) / "instance.lock"):
        return DagsterInstance.get()


def logs(settings: Settings) -> Path:
    """Folder of the log files."""
    return settings.home / "logs"


def log_to_file(settings: Settings) -> None:
    """Send the root logger, from INFO on, to `{home}/logs/gatehouse.log`.

    Called again, to that of another home.

    The file is shared by all commands on a home, so every line carries its process id.
    """
    root, name = logging.getLogger(), "gatehouse"
    for former in [handler for handler in root.handlers if handler.name == name]:
        root.removeHandler(former)
        former.close()
    path = logs(settings) / "gatehouse.log"
    handler = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8")
    handler.name = name
    handler.setLevel(logging.INFO)
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
    # Down to INFO, but not to 0, which would let everything through.
    root.setLevel(min(root.level, logging.INFO) or logging.INFO)


if __name__ == "__main__":
    prepare_home(Settings.from_environment(os.environ))
    dagster_instance().dispose()  # the UI and the daemon, started together, find its tables made
