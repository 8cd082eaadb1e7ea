"""Embedded answers of different lengths, and click models with drawn weights."""

from __future__ import annotations

import torch

from training.recipes import (
    Additive,
    Cosine,
    CrossPositional,
    DotProduct,
    Mixture,
    PositionFeature,
    Product,
)
from training.recipes.bias_models import BiasModel
from training.towers.clicks import ClickModel, Shown, click_model
from training.towers.score import Score

S, L, D, POSITIONS, DEVICES = 6, 4, 3, 5, 3
NAMES, SIZES = ("position", "device"), (POSITIONS, DEVICES)
BOTH = ("position", "device")
MODELS: dict[str, BiasModel | None] = {
    "none": None,
    "position feature": PositionFeature(),
    "additive": Additive(features=BOTH),
    "additive, hidden layer": Additive(features=BOTH, widths=(4,)),
    "product": Product(features=BOTH),
    "dot product": DotProduct(features=BOTH),
    "mixture": Mixture(features=BOTH, components=3),
    "cross-positional": CrossPositional(features=BOTH),
}
SCORE = Score(Cosine(temperature=0.5))


def answers(seed: int = 0) -> Shown:
    """Answers of one to four items."""
    draw = torch.Generator().manual_seed(seed)
    length_S = torch.tensor([4, 4, 3, 2, 1, 4])
    shown_SL = torch.arange(L) < length_S.unsqueeze(1)
    position_SL = torch.where(shown_SL, torch.arange(1, L + 1), 0)
    device_S1 = torch.randint(DEVICES, (S, 1), generator=draw)
    return Shown(
        user_SD=torch.nn.functional.normalize(torch.randn(S, D, generator=draw), dim=-1),
        item_SLD=torch.nn.functional.normalize(torch.randn(S, L, D, generator=draw), dim=-1),
        context_SLC=torch.stack([position_SL, torch.where(shown_SL, device_S1, 0)], -1),
        shown_SL=shown_SL,
    )


def trained(name: str, seed: int = 0) -> ClickModel:
    """A click model as after training: no weight is 0, dropout is off."""
    model = click_model(MODELS[name], NAMES, SIZES, dim=D, click_rate=0.2)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.5 * torch.randn(weight.shape, generator=draw))
        if name == "position feature":
            model.get_parameter("vectors.weight")[0] = 0
    return model.eval()
