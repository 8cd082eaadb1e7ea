"""Encoding of one user's features, by the batch encoder and by the request encoder.

    python -m tests.benchmarks.bench_request_encoding [--rounds 30]

The features are those of a household in completejourney, with as many users as items in
the vocabularies. Both encoders take turns; the time of a call is the least of the rounds, as
whatever else the machine does only adds to it. Both results are compared first.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from feature_repo.datasets.completejourney import SCHEMA
from feature_repo.encode import Encoder
from feature_repo.encode.request import RequestEncoder
from feature_repo.feature import Column
from feature_repo.schema import ENTITY_TIME, USER_ID, Entity

NOW = datetime(2024, 3, 1, 12)
LENGTHS, VOCABULARIES = (0, 20, 200), (65_000, 1_000_000)
CALLS = 20
"""Calls of the request encoder in a round; the batch encoder is called once."""
DRAWN = {
    Column.STRING: lambda dice, name: f"{name[0]}{dice.integers(9)}",
    Column.INT: lambda dice, name: at(dice),
    Column.FLOAT: lambda dice, name: float(dice.gamma(2, 40)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    print(f"{'vocabulary':>10} {'history':>7} {'batch ms':>9} {'request ms':>10} {'ratio':>6}")
    for size in VOCABULARIES:
        dice = np.random.default_rng(0)
        users, items = ([f"{letter}{number:07}" for number in range(size)] for letter in "ui")
        trained = frame_of(dice, users, items, 20, 500)
        batch = Encoder.fit(USER_ID, SCHEMA.features_of(Entity.USER), trained, ids=users, items=items)
        request = RequestEncoder(batch)
        for length in LENGTHS:
            frame = frame_of(dice, users, items, length, 1)
            print(f"{size:>10,} {length:>7} {row_of(batch, request, frame, rounds)}", flush=True)
        size_of, seconds = memory_of(batch)
        print(f"{size:>10,} dicts of both vocabularies: {size_of / 1e6:.0f} MB, made in {seconds:.2f} CPU s")


def at(dice: np.random.Generator) -> int:
    """Microseconds of a time in the last year."""
    return int((NOW - timedelta(days=float(dice.uniform(0, 365))) - datetime(1970, 1, 1)) / timedelta(microseconds=1))


def frame_of(dice: np.random.Generator, users: list[str], items: list[str], length: int, rows: int) -> pl.DataFrame:
    """Rows of features, with histories of a length."""
    types = SCHEMA.features_of(Entity.USER)
    columns: dict[str, Any] = {
        USER_ID: [users[dice.integers(len(users))] for _ in range(rows)],
        ENTITY_TIME: pl.Series([NOW] * rows, dtype=pl.Datetime("us")),
    }
    for name, column in ((name, column) for feature in types for name, column in feature.columns.items()):
        if column is Column.STRINGS:
            columns[name] = [[items[n] for n in dice.integers(len(items), size=length)] for _ in range(rows)]
        elif column is Column.INTS:
            columns[name] = [[at(dice) for _ in range(length)] for _ in range(rows)]
        else:
            columns[name] = [DRAWN[column](dice, name) for _ in range(rows)]
    lists = {name: pl.List(pl.String if name.endswith("items") else pl.Int64) for name in columns if "history" in name}
    return pl.DataFrame(columns, schema_overrides=lists)


def row_of(batch: Encoder, request: RequestEncoder, frame: pl.DataFrame, rounds: int) -> str:
    """Least milliseconds of a call of each encoder, and their ratio."""
    columns = frame.drop(ENTITY_TIME).to_dict(as_series=False)
    times = frame[ENTITY_TIME].dt.epoch("us").to_numpy()
    found, wanted = request.encode(columns, times), batch.encode(frame)
    assert {n: a.tobytes() for n, a in found.items()} == {n: a.tobytes() for n, a in wanted.items()}
    calls: tuple[tuple[Callable[[], object], int], ...] = (
        (lambda: batch.encode(frame), 1),
        (lambda: request.encode(columns, times), CALLS),
    )
    taken = [[timed(call, number) for call, number in calls] for _ in range(rounds)]
    batches, requests = (min(values) for values in zip(*taken, strict=True))
    return f"{batches:>9.2f} {requests:>10.3f} {batches / requests:>6.0f}"


def timed(call: Callable[[], object], times: int) -> float:
    """Milliseconds of a call."""
    started = time.perf_counter()
    for _ in range(times):
        call()
    return 1e3 * (time.perf_counter() - started) / times


def memory_of(encoder: Encoder) -> tuple[int, float]:
    """Bytes and CPU seconds of the dicts of all vocabularies."""
    started = time.process_time()
    RequestEncoder(encoder).prepare()
    seconds = time.process_time() - started
    request = RequestEncoder(encoder)
    tracemalloc.start()
    request.prepare()
    found = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return found, seconds


if __name__ == "__main__":
    main()
