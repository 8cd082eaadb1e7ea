"""Training both towers, with early stopping on a validation window inside the training part."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from feature_repo.encode import RESERVED
from training.batch_statistics import settle
from training.losses import in_batch_softmax, log_q
from training.recipes import TrainConfig
from training.towers import TwoTower
from training.training_set import Arrays, Batch, TrainingSet

SCORE = "score"
"""The validation metric that decides early stopping."""


Validate = Callable[[TwoTower], dict[str, float]]
"""Measures the towers on the validation window."""
OnEpoch = Callable[[int, dict[str, float]], None]


def train(
    data: TrainingSet,
    model: TwoTower,
    config: TrainConfig,
    *,
    seed: int,
    validate: Validate | None = None,
    epochs: int | None = None,
    on_epoch: OnEpoch = lambda epoch, metrics: None,
) -> list[dict[str, float]]:
    """Train in place until SCORE stops improving for `patience` epochs; the model ends with its best epoch's weights.

    What is measured and kept are averages over the newest steps (`averaged`), not the weights of a last step. validate
    returns metrics with SCORE among them, higher is better; without it, `epochs` are run and the last one is kept.
    Returns the metrics of each epoch. The same data, config and seed give the same weights on the same machine.
    FloatingPointError when the loss stops being finite.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    optimisers, average = Optimisers(model, config), averaged(model, config.averaged_share)
    frequency_N = torch.from_numpy(data.frequency())
    best_score, best_weights = -math.inf, model.state_dict()
    history: list[dict[str, float]] = []
    waited = 0
    while len(history) < (epochs or config.epochs) and waited < config.patience:
        batches = data.batches(config.batch_size, rng)
        loss = _epoch(data, batches, model, average, optimisers, frequency_N)
        kept = average.module
        assert isinstance(kept, TwoTower)
        settle(kept, data, batches)
        measured = validate(kept) if validate else {SCORE: float(len(history))}
        metrics = {"loss": loss, "temperature": kept.temperature.item(), **measured}
        history.append(metrics)
        on_epoch(len(history), metrics)
        waited += 1
        if metrics[SCORE] > best_score:
            best_score, best_weights, waited = metrics[SCORE], copy.deepcopy(kept.state_dict()), 0
    model.load_state_dict(best_weights)
    model.eval()
    return history


class Optimisers:
    """SparseAdam for the id table, of which only a batch's rows move, Adam for everything else.

    The rates stay constant: `averaged` does what a falling rate is for, and does not need to know the end beforehand.
    """

    def __init__(self, model: TwoTower, config: TrainConfig) -> None:
        table = model.item.vectors.ids.weight
        dense = [weight for weight in model.parameters() if weight is not table]
        self._optimisers: list[torch.optim.Optimizer] = [
            torch.optim.SparseAdam([table], lr=config.embedding_rate),
            torch.optim.Adam(dense, lr=config.learning_rate),
        ]

    def step(self, loss: Tensor) -> None:
        """One update from a loss."""
        for optimiser in self._optimisers:
            optimiser.zero_grad(set_to_none=True)
        loss.backward()
        for optimiser in self._optimisers:
            optimiser.step()


def averaged(model: TwoTower, share: float) -> AveragedModel:
    """The mean of a model's weights over about the newest `share` of its steps, however many there were.

    After step n the mean moves to the new weights by 1 / (1 + share·n). Single steps memorise who did not take what
    yet; in the mean this noise cancels. [polynomial-decay averaging: Shamir and Zhang, ICML 2013, section 4]
    """
    return AveragedModel(model, avg_fn=lambda mean, new, step: mean.lerp(new, 1 / (1 + share * step)))


def _epoch(
    data: TrainingSet,
    batches: Sequence[np.ndarray],
    model: TwoTower,
    average: AveragedModel,
    optimisers: Optimisers,
    frequency_N: Tensor,
) -> float:
    """One pass over the batches; the mean loss."""
    from tqdm import tqdm

    model.train()
    total = 0.0
    for rows in tqdm(batches, unit="batch", leave=False, disable=None):
        loss = batch_loss(model, data.batch(rows), frequency_N)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss.item()}: lower learning_rate or raise temperature")
        optimisers.step(loss)
        average.update_parameters(model)
        total += loss.item()
    return total / len(batches)


def batch_loss(model: TwoTower, batch: Batch, frequency_N: Tensor) -> Tensor:
    """In-batch softmax of the batch's users and items."""
    user_RD, item_CD = model.user(batch.users), model.item(batch.items)
    logits_RC = user_RD @ item_CD.T / model.temperature
    correction_C = log_q(frequency_N[batch.item_C], batch.size)
    history_RC = in_history(model, batch)
    return in_batch_softmax(logits_RC, batch.positives_RC, history_RC, correction_C, batch.weights_RC)


def in_history(model: TwoTower, batch: Batch) -> Tensor:
    """bool [R, C]: whether the item is in the user's history. Items without an id of their own are in nobody's."""
    vectors = model.item.vectors
    code_C = batch.items[vectors.key].long()
    (own_P,) = (code_C >= RESERVED).nonzero(as_tuple=True)
    nowhere = len(code_C)
    column_V = torch.full((vectors.ids.num_embeddings,), nowhere)
    column_V[code_C[own_P]] = own_P
    found_RC = torch.zeros(len(batch.positives_RC), nowhere + 1, dtype=torch.bool)
    for name in model.user.histories:
        found_RC.scatter_(1, column_V[batch.users[f"{name}_items"].long()], True)
    return found_RC[:, :nowhere]


@torch.no_grad()
def embed(tower: nn.Module, arrays: Arrays, rows_at_once: int = 1024) -> np.ndarray:
    """float32 [N, D]: the embeddings of encoded rows."""
    tower.eval()
    size = len(next(iter(arrays.values())))
    parts = []
    for start in range(0, size, rows_at_once):
        block = {name: torch.from_numpy(array[start : start + rows_at_once]) for name, array in arrays.items()}
        parts.append(tower(block).numpy())
    return np.concatenate(parts)
