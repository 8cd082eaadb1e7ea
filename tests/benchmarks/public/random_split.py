"""Check whether a test part is a random split of the data.

    python -m tests.benchmarks.public.random_split --train T.parquet --test E.parquet

If it is not, a random part of train is no stand-in for it. Of an item with n
interactions in both parts, a random split puts about n·p into the test part, with a
variance of n·p·(1 − p); p is the test part's share of all. Printed is the mean squared
distance over that variance, for items by n: about 1 for a random split. A random tenth
of T stands beside it.
"""

from __future__ import annotations

import argparse

import numpy as np

from tests.benchmarks.public.data import VALIDATION_SHARE, existing, read

BOUNDS = (10, 20, 50, 100, 300)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=existing, required=True)
    parser.add_argument("--test", type=existing, required=True)
    arguments = parser.parse_args()
    _, final = read(arguments.train, arguments.test)
    item_I = final.pairs.item_I
    held = np.random.default_rng(0).random(len(item_I)) < VALIDATION_SHARE
    items = final.holdout.relevant.shape[1]
    test = dispersion(np.bincount(item_I, minlength=items), final.holdout.relevant.sum(axis=0))
    tenth = dispersion(*(np.bincount(item_I[part], minlength=items) for part in (~held, held)))
    print("| interactions of an item | test part | random tenth of train |\n|---|---:|---:|")
    for low, (of_test, of_tenth) in zip(BOUNDS, zip(test, tenth, strict=True), strict=True):
        print(f"| from {low} | {of_test:.2f} | {of_tenth:.2f} |")


def dispersion(train_N: np.ndarray, test_N: np.ndarray) -> list[float]:
    """Mean squared distance over variance, for items by number of interactions."""
    all_N = train_N + test_N
    share = test_N.sum() / all_N.sum()
    known_N = np.maximum(all_N, 1)
    distance_N = (test_N - all_N * share) ** 2 / (known_N * share * (1 - share))
    group_N = np.searchsorted(BOUNDS, all_N, side="right")
    return [float(distance_N[group_N == group].mean()) for group in range(1, len(BOUNDS) + 1)]


if __name__ == "__main__":
    main()
