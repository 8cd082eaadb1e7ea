"""Artifacts of a trained pair: each tower as a torch.export program, its encoder, and what a later training needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from feature_repo.encode import Encoder
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
    popular: Sequence[tuple[str, int]],
    examples: tuple[Arrays, Arrays],
) -> None:
    """Write a model version's files into an empty folder.

    user_tower.pt2, item_tower.pt2: input one dict of tensors as the encoder gives them, output float32 [B, D];
    rescorer.pt2, where the recipe has a repeat term or a reranker: see `RescorerModule`; rescorer.json: how many
    candidates it ranks, 0 for a repeat term;
    user_encoder.json, item_encoder.json, schema.json, recipe.json; popular.json: (item id, count), most popular first,
    for users that nobody knows; checkpoint.safetensors: all weights. examples: at least three encoded rows of each
    tower.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    export_tower(folder / "user_tower.pt2", model.user, examples[0])
    export_tower(folder / "item_tower.pt2", model.item, examples[1])
    if model.repeat or model.reranker:
        rescorer = RescorerModule(model.repeat, model.reranker, model.temperature)
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
    """Encoded users as a re-scorer takes them, with the given items' embeddings in turn wherever it wants an item."""
    user_BD, item_ND = embed(model.user, users), embed(model.item, items)
    example = {"user_embedding": user_BD}
    if model.repeat:
        places = users[f"{model.repeat.history}_items"].shape
        example |= users | {"history_embeddings": np.resize(item_ND, (*places, item_ND.shape[1]))}
    if model.reranker:
        shape = (len(user_BD), model.reranker.candidates, item_ND.shape[1])
        example |= {"candidate_embeddings": np.resize(item_ND, shape)}
    return example


def export_tower(path: Path, tower: nn.Module, example: Arrays) -> None:
    """Export one tower with a dynamic batch; RuntimeError if the program does not reproduce the tower.

    The example holds two rows because a batch of one would be taken for a constant.
    """
    tower.eval()
    features = {name: torch.from_numpy(np.array(array[:2])) for name, array in example.items()}
    batch = torch.export.Dim("batch", min=1, max=1 << 20)
    shapes = ({name: {0: batch} for name in features},)
    with torch.no_grad():
        program = torch.export.export(tower, (features,), dynamic_shapes=shapes)
        three = {name: torch.from_numpy(np.array(array[:3])) for name, array in example.items()}
        wanted, got = tower(three), program.module()(three)
    if not torch.allclose(wanted, got, atol=1e-5):
        raise RuntimeError(f"{path.name}: the exported program differs from the tower by {(wanted - got).abs().max()}")
    torch.export.save(program, path)


def _unshared(model: TwoTower) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The state dict with each shared tensor once, and the names of the others by its name; safetensors knows none."""
    first: dict[int, str] = {}
    state, aliases = {}, {}
    for name, tensor in model.state_dict().items():
        owner = first.setdefault(tensor.data_ptr(), name) if tensor.numel() else name
        if owner == name:
            state[name] = tensor.contiguous()
        else:
            aliases[name] = owner
    return state, aliases
