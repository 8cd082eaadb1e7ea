"""Progress of an installation: pip's output in a few lines with seconds.

pip install ... | python infra/show_installation.py LOCK_FILE
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

EVERY = 25
"""Packages between two lines."""


def main() -> None:
    """Print a line for every step of the pip output on standard input."""
    started, found = time.monotonic(), 0
    total = sum("==" in line for line in Path(sys.argv[1]).read_text().splitlines())
    for line in sys.stdin:
        step = None
        if line.startswith("Collecting "):
            found += 1
            step = f"{found} of {total} packages found" if found % EVERY == 0 or found == total else None
        elif line.startswith("Installing collected packages"):
            step = "all packages are there; unpacking them takes the longest"
        elif line.startswith("Successfully installed"):
            step = "installed"
        if step:
            print(f"      {time.monotonic() - started:4.0f} s  {step}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
