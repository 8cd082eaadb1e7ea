"""This trainer: the recipe `ids_only`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import torch

from feature_repo.schema import ITEM_ID, USER_ID
from tests.benchmarks.time_to_quality.task import Task, own_task
from training.data.untimed import UntimedInteractions, read_untimed
from training.fit_untimed import fit_untimed
from training.recipes import TrainConfig
from training.recipes.untimed import ids_only, with_settings
from training.towers import TwoTower, embed
from training.trainer import SCORE


def main() -> None:
    task, clock = own_task()
    torch.set_num_threads(task.settings["threads"])
    pairs, config = as_pairs(task), recipe(task)

    def validate(model: TwoTower) -> dict[str, float]:
        clock.stop()
        clock.measure(embed(model.user, pairs.user_U), embed(model.item, pairs.item_N))
        return {SCORE: float(clock.epoch)}

    # The first optimiser of a process imports PyTorch's compiler; the plain systems make theirs
    # before their clock starts.
    torch.optim.Adam([torch.zeros(1)])
    clock.start()
    fit_untimed(pairs, config, seed=task.settings["seed"], validate=validate)


def as_pairs(task: Task) -> UntimedInteractions:
    """Interactions of a task, with numbers as names of users and items."""

    def named(column: str, numbers: np.ndarray) -> pl.DataFrame:
        return pl.DataFrame({column: numbers}).cast(pl.String)

    interactions = pl.concat([named(USER_ID, task.user_I), named(ITEM_ID, task.item_I)], how="horizontal")
    return read_untimed(interactions, named(USER_ID, np.arange(task.users)), named(ITEM_ID, np.arange(task.items)))


def recipe(task: Task) -> TrainConfig:
    settings = task.settings
    base = ids_only(items=task.items, interactions=len(task.user_I), dim=settings["dim"])
    optimisation = replace(
        base.optimisation,
        epochs=settings["epochs"],
        patience=settings["epochs"],
        embedding_rate=settings["rate"],
        batch_size=-(-len(task.user_I) // settings["steps"]),
    )
    config = replace(base, optimisation=optimisation)
    return with_settings(config, settings["temperature"], settings["exponent"])


if __name__ == "__main__":
    main()
