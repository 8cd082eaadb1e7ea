"""Parts of public data: files of interactions, users and items."""

from __future__ import annotations

from argparse import ArgumentTypeError
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from feature_repo.datasets.infer_kinds import guess_feature
from feature_repo.schema import ITEM_ID, USER_ID, Entity, Feature, Kind
from training.baselines import Log
from training.data.untimed import UntimedInteractions, read_untimed
from training.evaluation.holdout import Holdout

VALIDATION_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class Part:
    """Training data and hold-out."""

    pairs: UntimedInteractions
    """Training data."""
    holdout: Holdout
    """Queries and relevant items."""

    @property
    def log(self) -> Log:
        return as_log(self.pairs)


@dataclass(frozen=True, kw_only=True)
class Tables:
    """Interactions of both parts, with all named users and items."""

    train: pl.DataFrame
    """Training interactions, each pair once."""
    test: pl.DataFrame
    """Test interactions, each pair once."""
    users: pl.DataFrame
    """Every named user, with the features of its file."""
    items: pl.DataFrame
    """Every named item, with the features of its file."""
    user_features: tuple[Feature, ...]
    """Declared features of the users' file."""
    item_features: tuple[Feature, ...]
    """Declared features of the items' file."""


def existing(path: str) -> Path:
    """Argument that names a file; argparse reports an error."""
    if not Path(path).is_file():
        raise ArgumentTypeError(f"no file {path}")
    return Path(path)


def read_tables(train: Path, test: Path, users: Path | None = None, items: Path | None = None) -> Tables:
    """Tables of the files, with ids as text.

    Args:
        train: file of training interactions.
        test: file of test interactions.
        users: file of user features; None for none.
        items: file of item features; None for none.
    """
    parts = [_ids(pl.read_parquet(path)) for path in (train, test)]
    user_table, user_features = _entities(users, parts, USER_ID)
    item_table, item_features = _entities(items, parts, ITEM_ID)
    return Tables(
        train=parts[0],
        test=parts[1],
        users=user_table,
        items=item_table,
        user_features=user_features,
        item_features=item_features,
    )


def read(train: Path, test: Path, users: Path | None = None, items: Path | None = None) -> tuple[Part, Part]:
    """Part on which settings are chosen, cut from train, and part that is reported.

    Args:
        train: file of training interactions.
        test: file of test interactions.
        users: file of user features; None for none.
        items: file of item features; None for none.
    """
    tables = read_tables(train, test, users, items)
    together = pl.concat([tables.train, tables.test]).unique(maintain_order=True)
    both = read_untimed(
        together,
        tables.users,
        tables.items,
        user_features=tables.user_features,
        item_features=tables.item_features,
    )
    trained = together.join(tables.train, on=[USER_ID, ITEM_ID], how="semi").height
    pairs, asked = both.only(np.arange(trained)), both.only(np.arange(trained, len(both.user_I)))
    held = np.random.default_rng(0).random(trained) < VALIDATION_SHARE
    known, validation = pairs.only(~held), pairs.only(held)
    return Part(pairs=known, holdout=_holdout(known, validation)), Part(pairs=pairs, holdout=_holdout(pairs, asked))


def as_log(pairs: UntimedInteractions) -> Log:
    """Log of the interactions, for baselines."""
    return Log(
        user_rows=pairs.user_I,
        item_rows=pairs.item_I,
        days=np.zeros(len(pairs.user_I)),
        users=len(pairs.user_U[USER_ID]),
        items=len(pairs.item_N[ITEM_ID]),
    )


def _ids(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(pl.col(USER_ID, ITEM_ID).cast(pl.String)).unique(maintain_order=True)


def _entities(path: Path | None, frames: list[pl.DataFrame], key: str) -> tuple[pl.DataFrame, tuple[Feature, ...]]:
    """Every named user or item, with the features of its file."""
    named = pl.concat([frame.select(key) for frame in frames])
    if path is None:
        return named.unique().sort(key), ()
    table = pl.read_parquet(path).with_columns(pl.col(key).cast(pl.String)).unique(key, keep="first")
    entity = Entity.USER if key == USER_ID else Entity.ITEM
    features = []
    for column in table.drop(key).get_columns():
        guess = guess_feature(column, entity)
        if guess and Kind(guess["kind"]) not in (Kind.TIMESTAMP, Kind.ID):
            features.append(Feature(name=column.name, **{**guess, "kind": Kind(guess["kind"]), "filterable": False}))
            table = _typed(table, features[-1])
    kept = table.select(key, *[feature.name for feature in features])
    everyone = pl.concat([named, table.select(key)]).unique().sort(key)
    return everyone.join(kept, on=key, how="left", maintain_order="left"), tuple(features)


def _typed(table: pl.DataFrame, feature: Feature) -> pl.DataFrame:
    """Column in the type that the encoder needs."""
    column = pl.col(feature.name)
    match feature.kind:
        case Kind.MULTI_VALUED if table[feature.name].dtype == pl.String:
            return table.with_columns(column.str.split("|"))
        case Kind.NUMERIC:
            return table.with_columns(column.cast(pl.Float64))
        case Kind.CATEGORICAL | Kind.TEXT:
            return table.with_columns(column.cast(pl.String))
    return table


def _holdout(known: UntimedInteractions, asked: UntimedInteractions) -> Holdout:
    return Holdout.from_interactions(
        before=(known.user_I, known.item_I),
        after=(asked.user_I, asked.item_I),
        items=len(known.item_N[ITEM_ID]),
        seen_items_may_return=False,
    )
