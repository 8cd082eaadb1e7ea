"""Options of a run, checked before anything starts: without Dagster, and without PyTorch on a processor."""

from __future__ import annotations

from pathlib import Path

from feature_repo.errors import InputError
from serving.gate.policy_file import read_policy
from serving.registry.tags import CHAMPION
from training.recipes import recipe as recipe_of

PLAIN, ALL = "plain", "all"
CPU = "cpu"


def check_options(
    *,
    recipe: str,
    device: str,
    baselines: str,
    update: str | None,
    warm_start: str | None,
    choice_seconds: float,
    policy: Path | None,
) -> None:
    """Check what needs no data.

    Args:
        recipe: name of the recipe.
        device: device of the training.
        baselines: `plain`, `all`, or names with commas, which are added to the cheap ones.
        update: base of an incremental update: `champion` or a version's number.
        warm_start: base of a warm start, likewise.
        choice_seconds: seconds for the choice of the recipe; 0 for none.
        policy: file of the gate's policy; None for the shipped one.

    Raises:
        ValueError: the recipe or a baseline is unknown, the device is not there, or the gate policy has mistakes.
        InputError: options exclude each other, name no version, or are no number.
    """
    recipe_of(recipe)
    if device != CPU:
        from training.trainer.device import available

        available(device)
    chosen_baselines(baselines, policy)
    if choice_seconds < 0:
        raise InputError(f"choice_seconds is {choice_seconds}: wanted a number of seconds, or 0 for no choice")
    if update and warm_start:
        raise InputError(
            f"update is {update} and warm_start {warm_start}: an update changes id embeddings only, a warm start all "
            "weights; give one of them"
        )
    for name, version in (("update", update), ("warm_start", warm_start)):
        if version and version != CHAMPION and not version.isdecimal():
            raise InputError(f"{name} is {version!r}: wanted `{CHAMPION}` or the number of a version")


def chosen_baselines(named: str, policy: Path | None) -> tuple[str, ...]:
    """Names of the baselines that an evaluation measures.

    Args:
        named: `plain` for those that only count, `all`, or names with commas, which are added to these.
        policy: file of the gate's policy; None for the shipped one.

    Raises:
        ValueError: a name that no baseline has, or a policy with mistakes.
    """
    from training.baselines import BASELINES, CHEAP_BASELINES, check_baselines

    # The gate's own and the cheap ones are always measured: an option must not choose what a version is not beaten by.
    wanted = read_policy(policy).baselines.union(CHEAP_BASELINES)
    if named == ALL:
        return BASELINES
    asked = wanted if named == PLAIN else wanted.union(map(str.strip, named.split(",")))
    check_baselines(sorted(asked))
    return tuple(name for name in BASELINES if name in asked)
