"""Loading of a release: towers, encoders and recipe."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from torch import Tensor

from feature_repo.encode import Encoder, Input, InputKind
from training.artifacts.prefixes import part
from training.recipes import TrainConfig
from training.recipes.serialization import from_json
from training.towers import TwoTower, new_model
from training.towers.masking import PLAIN

FORMER_WEIGHTS = {
    "log_temperature": "score.log_temperature",
    "shift": "score.shift",
    "repeat.of_place.weight": "repeat.of_position.weight",
    "repeat.of_place.bias": "repeat.of_position.bias",
}
"""Weights by the names that releases of earlier layouts store them under."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Released:
    """Towers of a release with their encoders and recipe."""

    folder: Path
    """Folder of the files."""
    config: TrainConfig
    """Recipe of the training."""
    model: TwoTower
    """The towers, in evaluation mode."""
    user_encoder: Encoder
    """Encoder of users."""
    item_encoder: Encoder
    """Encoder of items."""


def read_release(folder: Path) -> Released:
    """Read the files that `artifacts.export` wrote.

    Raises:
        ValueError: the weights do not fit the recipe and the encoders beside them.
    """
    from safetensors import safe_open

    config = from_json((folder / "recipe.json").read_text())
    users, items = (Encoder.from_json((folder / f"{name}_encoder.json").read_text()) for name in ("user", "item"))
    path = folder / "checkpoint.safetensors"
    with safe_open(path, framework="pt") as file:
        stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        aliases = json.loads((file.metadata() or {}).get("aliases", "{}"))
    stored |= {name: stored[other] for name, other in aliases.items()}
    state = {_current_name(name, users, items): weight for name, weight in stored.items()}
    model = new_model(*with_behaviour(users, items, state), part("item.vectors.codes_of_", state), config, seed=0)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit the recipe and the encoders beside it: {error}; retrain") from error
    return Released(folder=folder, config=config, model=model.eval(), user_encoder=users, item_encoder=items)


def _current_name(name: str, users: Encoder, items: Encoder) -> str:
    """Name of a weight in the towers.

    Releases of earlier layouts name tables, defaults and readers after features, which
    the towers number.

    Args:
        name: name in the file.
        users: encoder of users.
        items: encoder of items.
    """
    side = items.inputs[1:]
    named = {
        "tables": [each.name for each in side if each.kind is InputKind.CODE],
        "defaults": [each.name for each in side if each.kind in PLAIN],
        "readers": [each.name for each in users.histories],
    }
    numbered = {(module, each): str(number) for module, names in named.items() for number, each in enumerate(names)}
    parts = FORMER_WEIGHTS.get(name, name).split(".")
    return ".".join([parts[0], *(numbered.get(pair, pair[1]) for pair in pairwise(parts))])


def with_behaviour(
    users: Encoder, items: Encoder, state: dict[str, Tensor]
) -> tuple[tuple[Input, ...], tuple[Input, ...]]:
    """Inputs of both towers, with those of stored behavioural vectors, if any.

    Args:
        users: encoder of users.
        items: encoder of items.
        state: stored weights.

    Returns:
        Inputs of the user tower and of the item tower.
    """
    size, factors = next((each.shape for name, each in state.items() if name.endswith(".vectors_VF")), (0, 0))
    if not size:
        return users.inputs, items.inputs
    histories = [each.name for each in users.inputs if each.kind is InputKind.HISTORY]
    kinds = [(InputKind.HISTORY_BEHAVIOUR, histories), (InputKind.BEHAVIOUR, [items.key])]
    more = [[Input(name=n, kind=kind, size=size, width=factors + 1) for n in names] for kind, names in kinds]
    return (*users.inputs, *more[0]), (*items.inputs, *more[1])
