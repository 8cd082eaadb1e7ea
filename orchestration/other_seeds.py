"""Taking over the range of metrics over seeds from the home that has measured it into the one that serves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace

from feature_repo.datasets.identity import Identity
from feature_repo.errors import InputError
from orchestration.identity import IDENTITY
from orchestration.seed_noise import SEED_NOISE, SeedNoise
from serving.registry import TRAINING, Registry, Training
from training.artifacts.choice import asked_recipe
from training.recipes.serialization import to_json


def take_over(source: Registry, target: Registry) -> SeedNoise:
    """Take over the noise of the seed that another home has measured.

    Args:
        source: registry of the dataset in that home.
        target: its registry in the home that serves, whose later reports show the noise.

    Returns:
        The noise, which names the home that it is from.

    Raises:
        InputError: that home has measured none, or of other data, features, windows or another recipe than those of
            the newest full training here. Nothing is changed.
        LookupError: the versions that were measured are gone.
    """
    kept, home = source.model_tags().get(SEED_NOISE), str(source.settings.home)
    if kept is None:
        raise InputError(
            f"{home} knows no two seeds of one training of {source.dataset}: run it there by `gatehouse run --seed 1`"
            " and `--seed 2`"
        )
    noise = replace(SeedNoise.from_dict(json.loads(kept)), home=home)
    other = [
        *_other_data(source.model_tags(), target.model_tags()),
        *_other_training(source, max(noise.versions), target, _newest_training(target)),
    ]
    if other:
        raise InputError(
            f"the seeds of {home} say nothing on {target.dataset} here, which has {', '.join(other)}: run two seeds"
            " there with the data, the gatehouse.yaml and the options of this home"
        )
    target.set_model_tags({SEED_NOISE: json.dumps(asdict(noise))})
    return noise


def _newest_training(registry: Registry) -> int:
    """Find the newest version that was trained in full. InputError if there is none."""
    for each in registry.versions():
        if each.tags.get(TRAINING, Training.FULL) == Training.FULL:
            return each.version
    raise InputError(f"{registry.dataset} has no full training here: `gatehouse run` comes first")


def _other_data(source: Mapping[str, str], target: Mapping[str, str]) -> list[str]:
    """Say whether two models, by their tags, learned from other data; a log that has grown is the same."""
    known = [Identity.from_text(tags.get(IDENTITY, "\n\n")) for tags in (source, target)]
    return ["other data"] if known[1].difference(known[0], same_folder=False) else []


def _other_training(source: Registry, measured: int, target: Registry, version: int) -> list[str]:
    """Say in what a training differs from one in another home, beside its data and seed.

    Args:
        source: registry of the other home.
        measured: version that was measured there.
        target: registry of this home.
        version: version of this home.
    """
    sides = ((source, measured), (target, version))
    schemas = {registry.read_file(number, "schema.json") for registry, number in sides}
    # Before a choice, whose trials may end otherwise with another seed.
    recipes = {to_json(asked_recipe(registry.download(number))) for registry, number in sides}
    return [
        *(["other features or windows"] if len(schemas) > 1 else []),
        *(["another recipe"] if len(recipes) > 1 else []),
    ]
