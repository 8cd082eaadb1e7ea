"""Export of a trained model: torch.export programs, encoders, and weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from feature_repo.encode import Encoder
from feature_repo.program import Program
from feature_repo.schema import Schema
from training.data.training_set import Arrays
from training.recipes import TrainConfig
from training.recipes.serialization import to_json
from training.towers import RescorerModule, TwoTower, embed


def export(
    folder: Path,
    model: TwoTower,
    *,
    user_encoder: Encoder,
    item_encoder: Encoder,
    schema: Schema,
    config: TrainConfig,
    popular: Sequence[tuple[str, float]],
    examples: tuple[Arrays, Arrays],
) -> None:
    """Write a model version's files into an empty folder.

    user_tower.pt2, item_tower.pt2: programs from one dict of encoded tensors to float32
    [B, D]. rescorer.pt2, with a repeat head or a reranker: see `RescorerModule`.
    rescorer.json: number of candidates that it ranks, 0 for a repeat head.
    user_encoder.json, item_encoder.json, schema.json, recipe.json. popular.json: item
    id and score, best first, for unknown users. checkpoint.safetensors: all weights
    of the towers, without those of a click model.

    Args:
        folder: created if need be.
        model: the trained towers.
        user_encoder: encoder of users.
        item_encoder: encoder of items.
        schema: schema of the feature tables.
        config: recipe of the training.
        popular: item ids with scores, best first.
        examples: at least three encoded rows of each tower.

    Raises:
        RuntimeError: an exported program does not reproduce its module.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    export_tower(folder / "user_tower.pt2", model.user, examples[0])
    export_tower(folder / "item_tower.pt2", model.item, examples[1])
    if model.repeat or model.reranker:
        rescorer = RescorerModule(model.repeat, model.reranker, model.score)
        export_tower(folder / "rescorer.pt2", rescorer, rescorer_example(model, *examples))
        parts = {"candidates": model.reranker.candidates if model.reranker else 0}
        (folder / "rescorer.json").write_text(json.dumps(parts))
    (folder / "user_encoder.json").write_text(user_encoder.to_json())
    (folder / "item_encoder.json").write_text(item_encoder.to_json())
    (folder / "schema.json").write_text(schema.to_json())
    (folder / "recipe.json").write_text(to_json(config))
    (folder / "popular.json").write_text(json.dumps(list(popular)))
    state, aliases = _unshared(model)
    save_file(state, folder / "checkpoint.safetensors", {"aliases": json.dumps(aliases)})


def rescorer_example(model: TwoTower, users: Arrays, items: Arrays) -> Arrays:
    """Example input of a re-scorer.

    Args:
        model: towers with a repeat head or a reranker.
        users: encoded users.
        items: encoded items, whose embeddings fill all item positions in turn.

    Returns:
        Arrays as `RescorerModule` takes them.
    """
    user_BD, item_ND = embed(model.user, users), embed(model.item, items)
    example = {"user_embedding": user_BD}
    if model.repeat:
        positions = users[f"{model.repeat.history}_items"].shape
        example |= users | {"history_embeddings": np.resize(item_ND, (*positions, item_ND.shape[1]))}
    if model.reranker:
        shape = (len(user_BD), model.reranker.candidates, item_ND.shape[1])
        example |= {"candidate_embeddings": np.resize(item_ND, shape)}
    return example


def export_tower(path: Path, tower: nn.Module, example: Arrays) -> None:
    """Export one module with a dynamic batch size.

    Args:
        path: file to write.
        tower: the module; left in evaluation mode.
        example: at least three rows of its input.

    Raises:
        RuntimeError: the stored program does not reproduce the module on three rows.
    """
    tower.eval()
    # Two rows: an example of one would fix the batch size at 1. Three for the check, so
    # that a program that only takes the example's size fails here and not in serving.
    features = {name: torch.from_numpy(np.array(array[:2])) for name, array in example.items()}
    batch = torch.export.Dim("batch", min=1, max=1 << 20)
    shapes = ({name: {0: batch} for name in features},)
    with torch.no_grad():
        torch.export.save(torch.export.export(tower, (features,), dynamic_shapes=shapes), path)
        three = {name: np.array(array[:3]) for name, array in example.items()}
        wanted = tower({name: torch.from_numpy(array) for name, array in three.items()}).numpy()
    got = Program(path.read_bytes(), path.name)(three)
    if not np.allclose(wanted, got, atol=1e-5):
        path.unlink()
        raise RuntimeError(f"{path.name}: the exported program differs from the tower by {np.abs(wanted - got).max()}")


def _unshared(model: TwoTower) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """State dict with each shared tensor once, and the owner of each further name."""
    first: dict[int, str] = {}
    state, aliases = {}, {}
    for name, tensor in model.state_dict().items():
        # The surroundings of a click model are those of its own log: nothing goes on from it.
        if name.startswith("clicks."):
            continue
        # safetensors refuses two names for one memory; empty tensors all lie at address
        # 0.
        owner = first.setdefault(tensor.data_ptr(), name) if tensor.numel() else name
        if owner == name:
            state[name] = tensor.contiguous()
        else:
            aliases[name] = owner
    return state, aliases
