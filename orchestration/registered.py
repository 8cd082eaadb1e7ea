"""Trained towers as a version of the registry."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from feature_repo.datasets.canonical import Tables
from serving.registry import Run
from training.artifacts.bias import write_bias
from training.artifacts.choice import write_choice
from training.artifacts.passes import write_passes
from training.recipes import TrainConfig

if TYPE_CHECKING:
    from training.untrained import Fitted


def register_towers(
    run: Run, fitted: Fitted, tables: Tables, tags: Mapping[str, str], *, asked: TrainConfig, card: str
) -> int:
    """Export towers and register them as the next version; return its number.

    Args:
        run: the MLflow run of the training.
        fitted: the towers.
        tables: canonical tables that they learned from.
        tags: tags of the version.
        asked: recipe before a choice.
        card: description on the version's page.
    """
    from training.artifacts.export import export
    from training.strangers import items_for_strangers

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "release"
        export(
            folder,
            fitted.model,
            user_encoder=fitted.user_encoder,
            item_encoder=fitted.item_encoder,
            schema=tables.schema,
            config=fitted.config,
            popular=items_for_strangers(fitted.model, fitted.item_encoder, tables.items["item_id"], tables.events),
            examples=fitted.examples,
        )
        if fitted.tried:
            write_choice(folder, asked, fitted.tried)
        write_passes(folder, fitted.passes)
        if fitted.bias:
            write_bias(folder, fitted.bias)
            run.log_metrics({f"bias/{name}": value for name, value in fitted.bias.numbers.items()})
        return run.register(folder, tags, card=card)
