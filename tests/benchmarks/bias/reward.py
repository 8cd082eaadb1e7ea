"""Training for reward where clickbait makes users leave, and where it cannot help.

    python -m tests.benchmarks.bias.reward [--seeds 10]

One log of a policy that likes clicks trains the same towers by cross-entropy, by
REINFORCE without correction (cross-entropy weighted by returns), and by the corrected
policy gradient with and without the top-K factor. Fresh users then see the lists of
each for 20 days. Prints one table in Markdown, with paired 95 % intervals over seeds;
exits with 1 if a line does not hold.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import stats

from feature_repo.encode import RESERVED, Input, InputKind
from tests.benchmarks.bias.sessions import (
    DAYS,
    ITEMS,
    SHOWN,
    START,
    TASTES,
    Sessions,
    World,
    best_of,
    drawn_by,
    simulate,
    world,
)
from training.data.returns import RETURN, with_returns
from training.data.training_set import TrainingSet
from training.recipes import MLP, Corpus, Dot, Negatives, Optimisation, PolicyGradient, TowerConfig, TrainConfig
from training.towers import embed, new_model
from training.trainer import train

USERS, FRESH = 2_500, 2_000
END = START + np.timedelta64(3 * DAYS, "D").astype(object)
POLICY = PolicyGradient(k=SHOWN, cap=10.0, discount=1.0, horizon_days=DAYS)
CROSS_ENTROPY = TrainConfig(
    dim=8,
    tower=TowerConfig(user=MLP(hidden=(32,), dropout=0.0), item=None, id_dropout=0.0),
    score=Dot(),
    negatives=Negatives(sampler=Corpus()),
    strata=False,
    optimisation=Optimisation(
        batch_size=512, epochs=10, patience=None, learning_rate=1e-2, embedding_rate=1e-2, tables="adam",
        precision="float32",
    ),
)  # fmt: skip
CORRECTED = replace(CROSS_ENTROPY, policy=POLICY)
SINGLE = replace(CROSS_ENTROPY, policy=replace(POLICY, k=1))


def training_set(sessions: Sessions, user_UF: np.ndarray, *, weighted: bool) -> TrainingSet:
    """Training set of a log, each interaction a query.

    Args:
        sessions: the log.
        user_UF: tastes of the users.
        weighted: whether interactions are weighted by their returns.
    """
    rows, codes = np.arange(len(sessions.item_I)), {"item_id": RESERVED + np.arange(ITEMS, dtype=np.int32)}
    return_I = with_returns(sessions.positives(), POLICY, END)[RETURN].to_numpy()
    return TrainingSet(
        queries={"taste": user_UF[sessions.user_I].astype(np.float32)}, user_Q=sessions.user_I, items=codes,
        item_S=np.arange(ITEMS), corpus=codes, query_I=rows, item_I=sessions.item_I,
        weight_I=return_I if weighted else np.ones(len(rows), np.float32), return_I=return_I,
    )  # fmt: skip


def scores(data: TrainingSet, config: TrainConfig, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """Scores of users and items by towers trained on a log."""
    user_inputs = [
        Input(name="user_id", kind=InputKind.CODE, size=RESERVED),
        Input(name="taste", kind=InputKind.VECTOR, width=TASTES),
    ]
    item_inputs = [Input(name="item_id", kind=InputKind.CODE, size=RESERVED + ITEMS)]
    model = new_model(user_inputs, item_inputs, {}, config, seed=seed)
    train(data, model, config, seed=seed)
    item_ND = embed(model.item, data.corpus)

    def score(user_UF: np.ndarray) -> np.ndarray:
        found: np.ndarray = embed(model.user, {"taste": user_UF.astype(np.float32)}) @ item_ND.T
        return found

    return score


METHODS = {
    "cross-entropy": (CROSS_ENTROPY, False),
    "REINFORCE, not corrected": (CROSS_ENTROPY, True),
    "corrected, K = 1": (SINGLE, False),
    "corrected, top K": (CORRECTED, False),
}
"""Recipe, and whether interactions are weighted by their returns."""
TWO = ("cross-entropy", "corrected, top K")


def measure(
    seed: int, planted: World, *, unseen: bool, methods: Sequence[str] = tuple(METHODS), users: int = USERS
) -> dict[str, float]:
    """Mean return of fresh users by the method that trained their lists.

    Args:
        seed: random seed.
        planted: the world.
        unseen: whether the policy that logs shows bait alone.
        methods: names of METHODS.
        users: users of the log.
    """
    rng = np.random.default_rng(seed)
    user_UF, fresh_UF = rng.normal(size=(users, TASTES)), rng.normal(size=(FRESH, TASTES))

    def logs(user_UF: np.ndarray) -> np.ndarray:
        liked_UN = 0.5 * planted.attract(user_UF)
        return np.where(planted.bait_N, liked_UN, -np.inf) if unseen else liked_UN

    sessions = simulate(planted, user_UF, drawn_by(logs, rng), rng)
    shown = {"policy that logged": drawn_by(logs, np.random.default_rng(seed))}
    for name in methods:
        config, weighted = METHODS[name]
        shown[name] = best_of(scores(training_set(sessions, user_UF, weighted=weighted), config, seed))
    # Items after which fewest leave; where all are alike, those that attract most.
    shown["best by the truth"] = best_of(lambda user_UF: planted.attract(user_UF) - 1_000 * planted.leave(user_UF))
    # The same choices of the same users for all: differences are paired.
    return {
        name: float(simulate(planted, fresh_UF, show, np.random.default_rng(seed)).return_U.mean())
        for name, show in shown.items()
    }


@dataclass(frozen=True, kw_only=True)
class Case:
    """World, and what the corrected gradient must do there beside cross-entropy."""

    name: str
    equal: bool = False
    unseen: bool = False
    methods: Sequence[str] = TWO
    low: float = -np.inf
    """Least gain that the interval must lie above."""
    high: float = np.inf
    """Largest gain that the interval must lie below."""


CASES = (
    Case(name="bait makes users leave", methods=tuple(METHODS), low=0.0),
    Case(name="users leave alike (negative case)", equal=True, high=0.0),
    Case(name="only bait was ever shown (negative case)", unseen=True, high=0.5),
)


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Mean over seeds with its 95 % interval."""
    mean, half = float(values.mean()), float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))
    return mean, mean - half, mean + half


def print_case(case: Case, seeds: int) -> bool:
    """Print the rows of a case, and tell whether it holds."""
    found = [
        measure(seed, world(seed, equal=case.equal), unseen=case.unseen, methods=case.methods) for seed in range(seeds)
    ]
    base = np.array([each["cross-entropy"] for each in found])
    holds = False
    for name in found[0]:
        values = np.array([each[name] for each in found])
        gain, low, high = interval(values - base)
        judged = name == "corrected, top K"
        if judged:
            holds = low > case.low and high < case.high
        verdict = ("yes" if holds else "**no**") if judged else ""
        beside = "" if name == "cross-entropy" else f"{gain:+.2f} [{low:+.2f}, {high:+.2f}]"
        print(f"| {case.name} | {name} | {values.mean():.2f} | {beside} | {verdict} |", flush=True)
    return holds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    torch.set_num_threads(1)
    start = time.process_time()
    print(f"| world | lists by | return over {DAYS} days | beside cross-entropy, 95 % | holds |\n|---|---|---|---|---|")
    holding = [print_case(case, given.seeds) for case in CASES]
    print(f"{given.seeds} seeds in {time.process_time() - start:.0f} CPU seconds", file=sys.stderr)
    sys.exit(not all(holding))


if __name__ == "__main__":
    main()
