"""Rollback for the page of a service: `python -m serving.release DATASET SERVES`.

The front computes nothing, so it is a process of its own. Its line on stdout is an object: `champion`, the version that
has the alias now, or `problem`.
"""

from __future__ import annotations

import json
import os
import sys

from serving.release.manifest import ReleaseError
from serving.release.promotion import rollback
from serving.settings import Settings


def main(dataset: str, serves: int) -> None:
    """Roll back, unless the champion has moved meanwhile, and tell what came of it.

    Args:
        dataset: name of the dataset.
        serves: version that the asker saw serving.
    """
    settings = Settings.from_environment(os.environ)
    try:
        told: dict[str, object] = {"champion": rollback(settings, dataset, serves=serves).version}
    except (ReleaseError, RuntimeError, LookupError, OSError) as error:
        told = {"problem": str(error)}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
