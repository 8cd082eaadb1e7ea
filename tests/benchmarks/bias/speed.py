"""Impressions a second in training, beside plain PyTorch, and what a bias model costs.

    python -m tests.benchmarks.bias.speed [--answers 100000] [--rounds 3]

All variants train the same two towers on the same answers, one after the other in each
round; the fastest round counts. Plain PyTorch passes every impression through both towers by
itself, with Adam.

Legend: S answers of a step, L items of an answer, P impressions.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from feature_repo.encode import RESERVED, Input, InputKind
from tests.benchmarks.bias.clicks import PositionBased
from tests.benchmarks.bias.experiments import EXAMINATION
from tests.benchmarks.bias.fitted import BASE, training_set
from tests.benchmarks.bias.loggers import ByIrrelevant
from tests.benchmarks.bias.measured import LENGTH
from tests.benchmarks.bias.simulators import Log, planted, simulate
from training.recipes import MLP, Additive, CrossPositional, ImpressionTask, TowerConfig
from training.recipes.bias_models import BiasModel
from training.towers import new_model
from training.trainer.click_start import add_clicks
from training.trainer.state import TrainState

SLATES, WIDTH, DIM = 512, 128, 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    world = planted(users=20_000, items=10_000, seed=0, features=32)
    log = simulate(world, ByIrrelevant(noise=0.5), PositionBased(examination=EXAMINATION), answers=asked.answers,
                   length=LENGTH, seed=1)  # fmt: skip
    impressions = asked.answers * LENGTH
    variants: dict[str, Callable[[], float]] = {
        "plain PyTorch": lambda: plain(log),
        "no bias model": lambda: ours(log, None),
        "Additive": lambda: ours(log, Additive()),
        "CrossPositional": lambda: ours(log, CrossPositional()),
    }
    best = dict.fromkeys(variants, np.inf)
    for _ in range(asked.rounds):
        for name, run in variants.items():
            best[name] = min(best[name], run())
    print(
        f"{torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}, {impressions:,} impressions\n"
    )
    print("| variant | impressions a second | x plain PyTorch | x no bias model | 10 M impressions |")
    print("|---|---:|---:|---:|---:|")
    for name, seconds in best.items():
        shares = (best["plain PyTorch"] / seconds, best["no bias model"] / seconds)
        print(
            f"| {name} | {impressions / seconds:,.0f} | {shares[0]:.2f} | {shares[1]:.2f} | "
            f"{1e7 / impressions * seconds:,.0f} s |"
        )


def ours(log: Log, bias: BiasModel | None) -> float:
    """Seconds of one pass over the answers by the trainer."""
    body = MLP(hidden=(WIDTH,), dropout=0.0)
    task = ImpressionTask(weight=1, bias=bias, slates=SLATES)
    data = training_set(log)
    steps = len(log.slates) // SLATES
    optimisation = replace(BASE.optimisation, batch_size=max(1, len(data.query_I) // steps), averaged_share=None)
    tower = TowerConfig(user=body, item=body, id_dropout=0.0)
    config = replace(BASE, dim=DIM, tower=tower, impressions=task, optimisation=optimisation)
    inputs = [
        [Input(name=key, kind=InputKind.CODE, size=RESERVED), Input(name=name, kind=InputKind.VECTOR, width=width)]
        for key, name, width in (
            ("user_id", "taste", log.world.user_UF.shape[1]), ("item_id", "content", log.world.item_NF.shape[1])
        )
    ]  # fmt: skip
    model = new_model(inputs[0], inputs[1], {}, config, seed=0)
    add_clicks(model, log.slates, config, seed=0)
    run = TrainState(data, model, config, seed=0, epochs=1)
    start = time.perf_counter()
    run.epoch()
    return time.perf_counter() - start


def plain(log: Log) -> float:
    """Seconds of one pass over the answers by a plain loop."""
    torch.manual_seed(0)
    towers = nn.ModuleList(
        nn.Sequential(nn.Linear(width, WIDTH), nn.ReLU(), nn.Linear(WIDTH, DIM))
        for width in (log.world.user_UF.shape[1], log.world.item_NF.shape[1])
    )
    bias = nn.Embedding(LENGTH + 1, 1)
    weights = [*towers.parameters(), *bias.parameters()]
    optimiser = torch.optim.Adam(weights, lr=3e-3, fused=True)
    users, items = (torch.from_numpy(each.astype(np.float32)) for each in (log.world.user_UF, log.world.item_NF))
    slates = log.slates
    start = time.perf_counter()
    order = np.random.default_rng(0).permutation(len(slates))
    for first in range(0, len(order) - SLATES + 1, SLATES):
        part = slates.take(order[first : first + SLATES])
        user_P = torch.from_numpy(np.repeat(part.query_S, LENGTH))
        item_P = torch.from_numpy(part.item_SL.ravel())
        user_PD, item_PD = (F.normalize(tower(each), dim=1) for tower, each in zip(
            towers, (users[user_P], items[item_P]), strict=True))  # fmt: skip
        logit_P = 5 * (user_PD * item_PD).sum(1) + bias(torch.from_numpy(part.of("position").ravel())).squeeze(1)
        F.binary_cross_entropy_with_logits(logit_P, torch.from_numpy(part.click_SL.ravel())).backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
