"""Rule on train/serve parity: what serving reads and answers is what was judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from serving.gate.verdict import Judged, Outcome, RuleKind


@dataclass(frozen=True, kw_only=True)
class Parity:
    """Features and answers of sampled users online, beside those of the evaluation."""

    users: int
    """Users of the sample."""
    features: Mapping[str, int]
    """Users whose value online is not the point-in-time value, by column of the features."""
    lists: int
    """Users whose answer online is not the one that was evaluated."""
    k: int
    """Length of the answers."""


def judge_parity(parity: Parity | None) -> Judged:
    """Judge that nothing differs; None, not measured, is undecided."""
    if parity is None:
        return Judged(RuleKind.PARITY, Outcome.UNDECIDED, "train/serve parity not measured")
    differing = {name: users for name, users in parity.features.items() if users}
    numbers = {
        "users of parity": parity.users,
        "features compared": len(parity.features),
        "features that differ": len(differing),
        "users whose lists differ": parity.lists,
        **{f"users whose {name} differs": users for name, users in differing.items()},
    }
    head = f"train/serve parity of {parity.users:,} users"
    parts = [f"{name} differs online for {users:,}" for name, users in differing.items()]
    parts += [f"the top {parity.k} of {parity.lists:,} differ"] if parity.lists else []
    if parts:
        return Judged(RuleKind.PARITY, Outcome.FAILED, f"{head}: {', '.join(parts)}", numbers)
    same = f"{len(parity.features)} features and the top {parity.k} online are those of the evaluation"
    return Judged(RuleKind.PARITY, Outcome.PASSED, f"{head}: {same}", numbers)
