"""Off-policy estimates against the truth of a simulated bandit.

    python -m tests.benchmarks.bias.off_policy [--repetitions 500] [--users 1000]

Users are of five types, and one item of four is shown in each answer. Another policy is
worth what the estimators shall find from the log alone. Prints one table in Markdown;
exits with 1 if a line does not hold.

Legend: N answers, T types, A items.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from serving.experiments.statistics.estimate import Estimate
from serving.experiments.statistics.off_policy import Logged, doubly_robust, ips, refusal, snips

SHARE_T = np.array([0.3, 0.25, 0.2, 0.15, 0.1])
ANSWERS_T = np.array([1, 2, 3, 2, 6])
"""Answers of a user of each type: active users are of other taste."""
CLICK_TA = np.random.default_rng(7).uniform(0.15, 0.75, (5, 4))
"""Probability of a click on each item."""
USER_EFFECT = 0.1
"""What is added to, or taken from, all of a user's probabilities: answers of one user resemble each other."""
TARGET_TA = np.exp(4 * CLICK_TA) / np.exp(4 * CLICK_TA).sum(axis=1, keepdims=True)
"""The other policy, which likes what is clicked."""
TRUTH = float(
    (SHARE_T * ANSWERS_T * (TARGET_TA * CLICK_TA).sum(axis=1)).sum() / (SHARE_T * ANSWERS_T).sum()
)  # fmt: skip
"""Clicks of an answer of the other policy."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A policy that logs."""

    name: str
    slant: float
    """How the policy that ran likes what is clicked; below 0, it shows the other policy's items rarely."""
    told: bool = True
    """Whether its propensities are logged; else they are told to be alike."""
    right: bool = True
    """Whether the estimates can be right: no bias, and intervals that hold the truth."""


CASES = (
    Case(name="overlap", slant=0.0),
    Case(name="some overlap", slant=-4.0),
    Case(name="little overlap", slant=-12.0, right=False),
    Case(name="wrong propensities", slant=4.0, told=False, right=False),
)


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """One log, and the predictions of a reward model that knows the items but not the types."""

    logged: Logged
    shown_N: np.ndarray
    chosen_N: np.ndarray


def draw(case: Case, users: int, rng: np.random.Generator) -> Drawn:
    """Log of a case.

    Args:
        case: the policy that ran.
        users: number of users.
        rng: source of the draws.
    """
    type_U = rng.choice(len(SHARE_T), users, p=SHARE_T)
    user_N = np.repeat(np.arange(users), ANSWERS_T[type_U])
    type_N = type_U[user_N]
    power_TA = np.exp(case.slant * CLICK_TA)
    logging_TA = power_TA / power_TA.sum(axis=1, keepdims=True)
    below_NA = logging_TA.cumsum(axis=1)[type_N]
    item_N = (rng.random((len(type_N), 1)) > below_NA[:, :-1]).sum(axis=1)
    effect_N = (USER_EFFECT * rng.choice([-1, 1], users))[user_N]
    reward_N = (rng.random(len(type_N)) < CLICK_TA[type_N, item_N] + effect_N).astype(float)
    propensity_N = logging_TA[type_N, item_N] if case.told else np.full(len(type_N), 1 / CLICK_TA.shape[1])
    target_N = TARGET_TA[type_N, item_N]
    predicted_A = (SHARE_T[:, None] * CLICK_TA).sum(axis=0)
    return Drawn(
        logged=Logged(reward_N=reward_N, propensity_N=propensity_N, target_N=target_N, user_N=user_N),
        shown_N=predicted_A[item_N],
        chosen_N=(TARGET_TA * predicted_A).sum(axis=1)[type_N],
    )


METHODS = {
    "IPS": lambda drawn: ips(drawn.logged),
    "SNIPS": lambda drawn: snips(drawn.logged),
    "DR": lambda drawn: doubly_robust(drawn.logged, drawn.shown_N, drawn.chosen_N),
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """An estimator over many logs of one case."""

    case: Case
    method: str
    bias: float
    sure: float
    """Half width of the 95 % interval of the bias."""
    deviation: float
    stated: float
    """Mean of the standard errors that the estimates state."""
    coverage: float
    refused: float

    @property
    def holds(self) -> bool:
        """Right where it can be, and refused in most logs where it cannot."""
        if not self.case.right:
            return self.refused > 0.5
        return abs(self.bias) < 1.5 * self.sure + 0.002 and 0.92 <= self.coverage <= 0.98 and self.refused < 0.05


def measured(case: Case, repetitions: int, users: int, seed: int) -> Iterator[Row]:
    """Yield a row for each estimator.

    Args:
        case: the policy that ran.
        repetitions: number of logs.
        users: users of a log.
        seed: random seed.
    """
    rng = np.random.default_rng(seed)
    logs = [draw(case, users, rng) for _ in range(repetitions)]
    refused = float(np.mean([refusal(each.logged) is not None for each in logs]))
    for name, method in METHODS.items():
        found: list[Estimate] = [method(each) for each in logs]
        values, bounds = np.array([each.value for each in found]), np.array([each.interval() for each in found])
        yield Row(
            case=case,
            method=name,
            bias=float(values.mean() - TRUTH),
            sure=float(1.96 * values.std(ddof=1) / np.sqrt(repetitions)),
            deviation=float(values.std(ddof=1)),
            stated=float(np.mean([each.error for each in found])),
            coverage=float(((bounds[:, 0] <= TRUTH) & (bounds[:, 1] >= TRUTH)).mean()),
            refused=refused,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=500)
    parser.add_argument("--users", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rows = [row for case in CASES for row in measured(case, given.repetitions, given.users, given.seed)]
    print(
        f"The other policy is worth {TRUTH:.4f} clicks an answer; {given.repetitions} logs of {given.users:,} users.\n"
    )
    print("| case | estimator | bias | deviation | stated error | 95 % intervals that hold it | logs refused | holds |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        bias, spread = f"{row.bias:+.4f} ± {row.sure:.4f}", f"{row.deviation:.4f} | {row.stated:.4f}"
        holds = "yes" if row.holds else "**no**"
        print(
            f"| {row.case.name} | {row.method} | {bias} | {spread} | {row.coverage:.1%} | {row.refused:.0%} | {holds} |"
        )
    sys.exit(not all(row.holds for row in rows))


if __name__ == "__main__":
    main()
