"""Warm start: a release's weights in towers whose encoders may know other values.

Legend: V new vocabulary with the reserved codes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from feature_repo.encode import RESERVED, UNKNOWN, Encoder
from training.artifacts.load import Released
from training.recipes import TrainConfig
from training.towers import TwoTower
from training.towers.side_features import BagTables, CodeTables

ARCHITECTURE = ("dim", "tower", "behavioural", "repeat", "reranker")
"""Parts of a recipe that must be equal for weights to be carried over."""
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""Buffers that are carried over as weights are."""


def carry_over(
    released: Released, model: TwoTower, config: TrainConfig, user_encoder: Encoder, item_encoder: Encoder
) -> None:
    """Copy a release's weights into towers of the same architecture.

    Rows of tables are matched by value; a new value starts as UNKNOWN was trained.
    Buffers that follow from data alone (behavioural vectors, categories of items) are
    left as they are.

    Args:
        released: the release.
        model: towers to fill.
        config: their recipe.
        user_encoder: their encoder of users.
        item_encoder: their encoder of items.

    Raises:
        ValueError: the release has another architecture.
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
    """Former code of every code of a vocabulary, UNKNOWN for new values: int64 [V]."""
    codes = {value: code for code, value in enumerate(old, RESERVED)}
    return torch.tensor([*range(RESERVED), *(codes.get(value, UNKNOWN) for value in new)])


def _rows(
    model: TwoTower, users: tuple[Encoder, Encoder], items: tuple[Encoder, Encoder]
) -> Iterator[tuple[str, Tensor]]:
    """Former row of every row of each table, by the table's parameter name."""
    names = {id(weight): name for name, weight in model.named_parameters()}

    def named(table: nn.Module) -> str:
        return names[id(table.get_parameter("weight"))]

    for vectors in [model.item.vectors, *([model.repeat.vectors] if model.repeat else [])]:
        yield named(vectors.ids), _of_input(items, vectors.key)
        for name, table in zip(vectors.names, vectors.tables, strict=True):
            yield named(table), _of_input(items, name)
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
            (before, now) = (next(i.own or i.size for i in each.inputs if i.name == name) for each in encoders)
            return torch.where(rows < before, rows, UNKNOWN)[:now]
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
            "train; use its recipe and schema, or train from scratch"
        )
