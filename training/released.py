"""What a release left behind for later trainings: read whole, and carried into towers with other vocabularies.

Legend: V new vocabulary with the reserved codes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from feature_repo.encode import RESERVED, UNKNOWN, Encoder, Input, InputKind
from training.recipes import TrainConfig
from training.recipes.text import from_json
from training.towers import TwoTower, new_model
from training.towers.inputs import BagTables, CodeTables

ARCHITECTURE = ("dim", "tower", "behavioural", "repeat", "scorer")
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True, kw_only=True, eq=False)
class Released:
    """The towers of a release as they were exported, with their encoders and recipe."""

    folder: Path
    config: TrainConfig
    model: TwoTower
    user_encoder: Encoder
    item_encoder: Encoder


def read_release(folder: Path) -> Released:
    """The files that `training.export.export` wrote. ValueError if the weights are not those of the other files."""
    from safetensors import safe_open

    config = from_json((folder / "recipe.json").read_text())
    users, items = (Encoder.from_json((folder / f"{name}_encoder.json").read_text()) for name in ("user", "item"))
    path = folder / "checkpoint.safetensors"
    with safe_open(path, framework="pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        aliases = json.loads((file.metadata() or {}).get("aliases", "{}"))
    state |= {name: state[other] for name, other in aliases.items()}
    prefix = "item.vectors.codes_of_"
    codes = {name.removeprefix(prefix): each for name, each in state.items() if name.startswith(prefix)}
    model = new_model(*with_behaviour(users, items, state), codes, config, seed=0)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit the recipe and the encoders beside it: {error}; train anew") from error
    return Released(folder=folder, config=config, model=model.eval(), user_encoder=users, item_encoder=items)


def with_behaviour(
    users: Encoder, items: Encoder, state: dict[str, Tensor]
) -> tuple[tuple[Input, ...], tuple[Input, ...]]:
    """Inputs of both towers: the encoders', and those of the behavioural vectors that the weights hold, if any."""
    size, factors = next((each.shape for name, each in state.items() if name.endswith(".vectors_VF")), (0, 0))
    if not size:
        return users.inputs, items.inputs
    histories = [each.name for each in users.inputs if each.kind is InputKind.HISTORY]
    kinds = [(InputKind.HISTORY_BEHAVIOUR, histories), (InputKind.BEHAVIOUR, [items.key])]
    more = [[Input(name=n, kind=kind, size=size, width=factors + 1) for n in names] for kind, names in kinds]
    return (*users.inputs, *more[0]), (*items.inputs, *more[1])


def carry_over(
    released: Released, model: TwoTower, config: TrainConfig, user_encoder: Encoder, item_encoder: Encoder
) -> None:
    """Put a release's weights into towers of the same architecture, whose encoders may know other values.

    Rows of tables are found again by value; a new value starts as UNKNOWN was trained. What follows from data alone
    (behavioural vectors, categories of items) stays as it is in `model`. ValueError for another architecture.
    """
    _refuse_other_towers(released, config, user_encoder, item_encoder)
    encoders = ((released.user_encoder, user_encoder), (released.item_encoder, item_encoder))
    rows = dict(_rows(model, *encoders))
    former = dict(released.model.named_parameters()) | dict(released.model.named_buffers())
    with torch.no_grad():
        for name, weight in [*model.named_parameters(), *model.named_buffers()]:
            carried = isinstance(weight, nn.Parameter) or name.endswith(STATISTICS)
            if carried and name in former:
                old = former[name]
                weight.copy_(old[rows[name]] if name in rows else old)


def rows_by_value(old: Sequence[str], new: Sequence[str]) -> Tensor:
    """int64 [V]: for every code of a vocabulary its code in the former one, UNKNOWN for a value that is new."""
    codes = {value: code for code, value in enumerate(old, RESERVED)}
    return torch.tensor([*range(RESERVED), *(codes.get(value, UNKNOWN) for value in new)])


def _rows(
    model: TwoTower, users: tuple[Encoder, Encoder], items: tuple[Encoder, Encoder]
) -> Iterator[tuple[str, Tensor]]:
    """The former row of every row of each table, by the table's name among the parameters."""
    names = {id(weight): name for name, weight in model.named_parameters()}

    def named(table: nn.Module) -> str:
        return names[id(table.get_parameter("weight"))]

    for vectors in [model.item.vectors, *([model.repeat.vectors] if model.repeat else [])]:
        yield named(vectors.ids), _of_input(items, vectors.key)
        for name in vectors.names:
            yield named(vectors.tables[name]), _of_input(items, name)
    if model.user.ids is not None:
        yield named(model.user.ids), _of_input(users, model.user.key)
    for tower, encoders in ((model.user, users), (model.item, items)):
        for part in tower.modules():
            if isinstance(part, CodeTables | BagTables):
                yield named(part.table), _below_each_other(encoders, part.names)


def _of_input(encoders: tuple[Encoder, Encoder], name: str) -> Tensor:
    old, new = encoders
    if name in new.vocabularies:
        rows = rows_by_value(old.vocabularies[name], new.vocabularies[name])
        if name == old.key:
            (was, now) = (next(i.own or i.size for i in each.inputs if i.name == name) for each in encoders)
            return torch.where(rows < was, rows, UNKNOWN)[:now]
        return rows
    return torch.arange(_size(new, name))  # buckets and hashes mean the same in both


def _below_each_other(encoders: tuple[Encoder, Encoder], names: Iterable[str]) -> Tensor:
    parts, start = [], 0
    for name in names:
        parts.append(start + _of_input(encoders, name))
        start += _size(encoders[0], name)
    return torch.cat(parts)


def _size(encoder: Encoder, name: str) -> int:
    return next(each.size for each in encoder.inputs if each.name == name)


def _refuse_other_towers(released: Released, config: TrainConfig, users: Encoder, items: Encoder) -> None:
    different = [name for name in ARCHITECTURE if getattr(released.config, name) != getattr(config, name)]
    different += ["score"] if type(released.config.score) is not type(config.score) else []
    for old, new in ((released.user_encoder, users), (released.item_encoder, items)):
        seen = [[(i.name, i.kind, i.width) for i in each.inputs] for each in (old, new)]
        fixed = [{i.name: i.size for i in each.inputs if i.name not in each.vocabularies} for each in (old, new)]
        different += [f"features of {new.key}"] if seen[0] != seen[1] or fixed[0] != fixed[1] else []
    if different:
        raise ValueError(
            f"cannot start from {released.folder}: its towers have another {', '.join(different)} than the ones to "
            "train; use its recipe and schema, or start anew"
        )
