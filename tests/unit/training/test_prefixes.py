"""Embeddings that may be cut short."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from training.recipes import Matryoshka
from training.towers.prefixes import prefixes


def embedding(rows: int = 5) -> Tensor:
    torch.manual_seed(0)
    return F.normalize(torch.randn(rows, 8), dim=1).requires_grad_()


def test_every_prefix_has_unit_length_and_the_direction_of_its_coordinates() -> None:
    whole_BD = embedding()
    for dim, part in zip((1, 4, 8), prefixes(whole_BD, (1, 4, 8)), strict=True):
        assert part.shape == (5, dim)
        assert torch.allclose(part.norm(dim=1), torch.ones(5))
        assert torch.allclose(F.cosine_similarity(part, whole_BD[:, :dim]), torch.ones(5))
    assert torch.allclose(prefixes(whole_BD, (8,))[0], whole_BD)


def test_the_first_coordinates_learn_from_all_prefixes_and_the_last_only_from_the_whole() -> None:
    for chosen, reached in ((0, 2), (1, 4), (2, 8)):
        whole_BD = embedding()
        prefixes(whole_BD, (2, 4, 8))[chosen].pow(3).sum().backward()
        assert whole_BD.grad is not None
        assert whole_BD.grad[:, :reached].all()
        assert not whole_BD.grad[:, reached:].any()


def test_what_training_shortens_still_ranks() -> None:
    """Targets that differ in direction are told apart by two coordinates once the loss asks it of them."""
    torch.manual_seed(0)
    target_N = torch.arange(6)
    found = {}
    for dims in ((8,), (2, 8)):
        users_ND, items_ND = torch.randn(6, 8).requires_grad_(), torch.randn(6, 8).requires_grad_()
        optimiser = torch.optim.Adam([users_ND, items_ND], lr=0.05)
        for _ in range(200):
            optimiser.zero_grad()
            pairs = zip(prefixes(users_ND, dims), prefixes(items_ND, dims), strict=True)
            sum(F.cross_entropy(user @ item.T / 0.1, target_N) for user, item in pairs).backward()  # type: ignore
            optimiser.step()
        short_user, short_item = prefixes(users_ND, (2,))[0], prefixes(items_ND, (2,))[0]
        found[dims] = ((short_user @ short_item.T).argmax(dim=1) == target_N).float().mean().item()
    assert found[2, 8] == 1.0 > found[8,]


@pytest.mark.parametrize("dims", [(0,), (9,), (4, 16)])
def test_a_prefix_longer_than_the_embedding_is_refused(dims: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="dimension 8 has prefixes of 1 to 8"):
        prefixes(embedding(), dims)


@pytest.mark.parametrize("dims", [(), (0, 4), (8, 4), (4, 4), (2.5, 4)])
def test_prefixes_are_declared_from_the_shortest_to_the_whole(dims: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"Matryoshka\.dims"):
        Matryoshka(dims=dims)
    assert Matryoshka(dims=(16, 32)).dims == (16, 32)
