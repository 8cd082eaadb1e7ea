"""Checkpoints of a training run.

Tensors and JSON in one safetensors file: nothing that could hold code.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from feature_repo.whole_file import whole_file
from training.artifacts.prefixes import part, prefixed
from training.recipes.serialization import to_json
from training.trainer.device import random_state, set_random_state
from training.trainer.state import TrainState


def save_checkpoint(path: Path, run: TrainState) -> None:
    """Write the run's state; a write that is cut off leaves the former file."""
    from safetensors.torch import save_file

    tensors = prefixed("model.", run.model.state_dict()) | prefixed("best.", run.best_weights)
    tensors |= prefixed("candidates.", run.builder.state()) | prefixed("random.", random_state(run.model.device))
    if run.views:
        tensors |= prefixed("views.", run.views.state())
    if run.clicks:
        tensors |= prefixed("clicks.", run.clicks.state())
    if run.policy:
        tensors |= prefixed("policy.", run.policy.state())
    if run.average:
        tensors |= prefixed("average.", run.average.state_dict())
    numbers: dict[str, Any] = {}
    for which, optimiser in enumerate(run.optimisers.optimisers):
        for index, state in optimiser.state_dict()["state"].items():
            for name, value in state.items():
                kept = tensors if isinstance(value, Tensor) else numbers
                kept[f"optimiser.{which}.{index}.{name}"] = value
    progress = {
        "identity": _identity(run),
        "history": run.history,
        "waited": run.waited,
        "best_score": run.best_score,
        "step_number": run.optimisers.step_number,
        "rng": run.rng.bit_generator.state,
        "numbers": numbers,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    # A copy of each: towers share tables, and safetensors refuses two names for one memory.
    own = {name: each.clone() for name, each in tensors.items()}
    with whole_file(path) as partial:
        save_file(own, partial, {"progress": json.dumps(progress)})


def load_checkpoint(path: Path, run: TrainState) -> None:
    """Restore the state of a file in a new run.

    Raises:
        ValueError: the file is of another recipe, seed, number of epochs, device or training set, or no checkpoint.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            progress = json.loads((file.metadata() or {})["progress"])
    except (SafetensorError, KeyError) as error:
        raise ValueError(
            f"{path} is no checkpoint of a training run ({error}); remove it to start from scratch"
        ) from error
    wanted = _identity(run)
    different = [name for name, value in wanted.items() if progress["identity"].get(name) != value]
    if different:
        raise ValueError(
            f"{path} is of a training with another {', '.join(different)}; remove it to start from scratch"
        )
    run.model.load_state_dict(part("model.", tensors))
    run.best_weights = part("best.", tensors)
    run.builder.load(part("candidates.", tensors))
    if run.views:
        run.views.load(part("views.", tensors))
    if run.clicks:
        run.clicks.load(part("clicks.", tensors))
    if run.policy:
        run.policy.load(part("policy.", tensors))
    if run.average:
        run.average.load_state_dict(part("average.", tensors))
    for which, optimiser in enumerate(run.optimisers.optimisers):
        prefix = f"optimiser.{which}."
        state: dict[int, dict[str, Any]] = {}
        for name, value in (part(prefix, tensors) | part(prefix, progress["numbers"])).items():
            index, key = name.split(".", 1)
            state.setdefault(int(index), {})[key] = value
        # Groups are not stored: each step sets its rates from the schedule.
        optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    run.optimisers.step_number = progress["step_number"]
    run.history, run.waited, run.best_score = progress["history"], progress["waited"], progress["best_score"]
    run.rng.bit_generator.state = progress["rng"]
    set_random_state(run.model.device, part("random.", tensors))


def _identity(run: TrainState) -> dict[str, Any]:
    """Properties that must be the same for a run to resume."""
    return {
        "recipe": to_json(run.config),
        "seed": run.seed,
        "number of epochs": run.epochs,
        "device": run.model.device.type,
        "training set": [len(run.data.query_I), len(run.data.user_Q), run.data.size],
        "answers": len(run.data.slates) if run.data.slates else 0,
        "answers of a step": run.clicks.number if run.clicks else 0,
    }
