"""A process that promotes a challenger each time it is told to: `python -m tests.integration.two_promoters VERSION`.

The settings are those of the environment. It answers each line of stdin with `promoted` or what was said.
"""

from __future__ import annotations

import os
import sys

from serving.registry import Registry
from serving.release.manifest import ReleaseError
from serving.release.promotion import promote_challenger
from serving.settings import Settings
from tests.integration.release_world import DATASET


def main() -> None:
    settings, version = Settings.from_environment(os.environ), int(sys.argv[1])
    Registry(settings, DATASET).champion()  # imports are done before the start
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for _ in sys.stdin:
        try:
            promote_challenger(settings, DATASET, version)
        except ReleaseError as error:
            sys.stdout.write(f"{error}\n")
        else:
            sys.stdout.write("promoted\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
