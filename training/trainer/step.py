"""One training step: embed, compare, backpropagate."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from training.data.training_set import Batch
from training.losses import Candidates
from training.recipes.config import TrainConfig
from training.towers import TwoTower
from training.towers.side_features import Features
from training.trainer.candidates import CandidateBuilder, Columns
from training.trainer.device import random_state, set_random_state
from training.trainer.precision import precision_of
from training.trainer.self_supervised import SelfSupervision


def backpropagate(
    model: TwoTower,
    batch: Batch,
    comparison: CandidateBuilder,
    config: TrainConfig,
    views: SelfSupervision | None = None,
) -> float:
    """Gradients of the batch's loss into the model, and of that of the items' views where there is one; the loss. Where
    there is a reranker, gradients of its own loss go into it besides, and nowhere else.

    FloatingPointError if one is not finite; no gradient is left then.
    """
    if views is None:
        return _interactions(model, batch, comparison, config)
    own = finite(views.loss(lambda features: _embed(model.item, features, config)))
    loss = _interactions(model, batch, comparison, config)
    own.backward()
    return loss + own.item()


def _interactions(model: TwoTower, batch: Batch, comparison: CandidateBuilder, config: TrainConfig) -> float:
    columns = comparison.columns(batch)
    if config.optimisation.parts > 1:
        return _in_parts(model, batch, columns, comparison, config)
    user_RD, item_CD = _embed(model.user, batch.users, config), _embed(model.item, columns.features, config)
    return _compared(model, comparison.candidates(model, batch, columns, user_RD, item_CD), comparison, config)


def _compared(model: TwoTower, candidates: Candidates, comparison: CandidateBuilder, config: TrainConfig) -> float:
    """Gradients of the recipe's loss, and of the reranker's where there is one; the recipe's loss."""
    loss = finite(compare(config, candidates))
    objective = comparison.reranker
    own = finite(objective.loss(model.reranker, candidates)) if objective and model.reranker else None
    loss.backward()
    if own is not None:
        own.backward()
    return loss.item()


def compare(config: TrainConfig, candidates: Candidates) -> Tensor:
    """The recipe's loss, summed over the dimensions that have to serve."""
    function, parameters = config.loss.function, config.loss.parameters
    loss: Tensor = function(candidates, **parameters)
    for prefix in config.prefixes:
        loss = loss + function(candidates.cut(prefix), **parameters)
    return loss


def _in_parts(
    model: TwoTower, batch: Batch, columns: Columns, comparison: CandidateBuilder, config: TrainConfig
) -> float:
    """The same gradients with the activations of one part in memory at a time.

    Embed in parts without a graph, take the loss of the whole batch and its gradients at the embeddings, then embed
    each part again, now with a graph, and send its gradients through. Dropout repeats itself. [Gao et al., GradCache,
    RepL4NLP 2021]
    """
    towers = ((model.user, batch.users), (model.item, columns.features))
    parts = [(tower, part) for tower, features in towers for part in _parts(features, config.optimisation.parts)]
    states = []
    embedded = []
    with torch.no_grad():
        for tower, part in parts:
            states.append(random_state(model.device))
            embedded.append(_embed(tower, part, config))
    after = random_state(model.device)
    leaves = [each.detach().requires_grad_() for each in embedded]
    half = config.optimisation.parts
    user_RD, item_CD = torch.cat(leaves[:half]), torch.cat(leaves[half:])
    candidates = comparison.candidates(model, batch, columns, user_RD, item_CD)
    loss = _compared(model, candidates, comparison, config)
    for (tower, part), state, leaf in zip(parts, states, leaves, strict=True):
        set_random_state(model.device, state)
        _embed(tower, part, config).backward(leaf.grad)
    set_random_state(model.device, after)
    return loss


def _parts(features: Features, parts: int) -> Iterator[Features]:
    size = len(next(iter(features.values())))
    edges = [round(part * size / parts) for part in range(parts + 1)]
    for start, stop in zip(edges, edges[1:], strict=False):
        yield {name: each[start:stop] for name, each in features.items()}


def _embed(tower: torch.nn.Module, features: Features, config: TrainConfig) -> Tensor:
    device = next(iter(features.values())).device
    half = precision_of(config, device) is torch.bfloat16
    with torch.autocast(device.type, torch.bfloat16, enabled=half):
        embedding: Tensor = tower(features)
    return embedding.float()


def finite(loss: Tensor) -> Tensor:
    """The loss. FloatingPointError if it is not finite."""
    if not torch.isfinite(loss):
        raise FloatingPointError(f"the loss is {loss.item()}: lower the learning rates or raise the temperature")
    return loss
