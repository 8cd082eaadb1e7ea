"""NumPy's operators against PyTorch's, in one graph that has all of them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from feature_repo.program import Program
from feature_repo.program.numpy_operators import _VERSIONS, NumpyOperators
from feature_repo.program.operators import ATEN

aten = torch.ops.aten


def scalars(x_BD: Tensor) -> list[Tensor]:
    outcomes = [
        aten.clamp(x_BD, -0.5),
        aten.clamp(x_BD, max=0.5),
        aten.clamp_min(x_BD, 0.1),
        aten.rsub(x_BD, 2, alpha=3),
    ]
    functions = [aten.exp, aten.expm1, aten.log1p, aten.ones_like, aten.reciprocal, aten.relu]
    masked = [aten.masked_fill(x_BD, aten.lt(x_BD, 0.5), -torch.inf), aten.where(aten.ne(x_BD, 0.25), x_BD, 2)]
    return outcomes + [function(x_BD) for function in functions] + masked + [aten.where(aten.eq(x_BD, 0.25), 0, x_BD)]


def of_two(x_BD: Tensor, y_BD: Tensor) -> list[Tensor]:
    return [
        aten.add(x_BD, y_BD), aten.add(x_BD, y_BD, alpha=2), aten.sub(x_BD, y_BD), aten.sub(x_BD, y_BD, alpha=2),
        aten.mul(x_BD, y_BD), aten.div(x_BD, y_BD), aten.dropout(x_BD, 0.5, False),
        aten.einsum("bd,bd,d->b", [x_BD, y_BD, y_BD[0]]), aten.matmul(x_BD, aten.reshape(y_BD, [4, 5])),
        aten.cat([x_BD, y_BD], -1), aten.stack([x_BD, y_BD], 1),
    ]  # fmt: skip


def folded(x_BD: Tensor) -> list[Tensor]:
    x_B2E = aten.unflatten(x_BD, -1, [2, -1])
    norms = [aten.linalg_vector_norm(x_BD, 2, [1], True), aten.linalg_vector_norm(x_B2E, 1, [-1])]
    sums = [aten.sum(x_B2E, [1, 2]), aten.sum(x_BD, [-1], True), aten.amax(x_B2E, [1]), aten.amin(x_BD, [-1], True)]
    shapes = [aten.flatten(x_B2E, 1), aten.flatten(x_B2E, 0, 1), aten.squeeze(aten.unsqueeze(x_BD, 1), 1)]
    shapes += [aten.squeeze(x_BD, 1), aten.unsqueeze(x_BD, -1), aten.reshape(x_BD, [-1, 2])]
    return norms + sums + shapes + aten.unbind(x_B2E, 1) + [aten.expand_as(x_BD[:1], x_BD), x_BD[:, 1:3], x_BD[:, -1]]


def looked_up(table_NE: Tensor, rows_BL: Tensor) -> list[Tensor]:
    """Integers take part in sums of real numbers; 0 pads, and one bag is empty."""
    starts_G = aten.arange(3, dtype=torch.int64) * 2
    means = aten.embedding_bag(table_NE, rows_BL.flatten(), starts_G, False, 1, False, None, False, 0)
    factors = aten.arange(1, 13, 2, dtype=torch.float32)
    sums = aten.embedding_bag(table_NE, rows_BL.flatten(), starts_G, False, 0, False, factors, False, 0)
    positive_BL = aten.where(aten.bitwise_not(aten.gt(rows_BL, 2)), aten.ge(rows_BL, 1), aten.gt(rows_BL, 4))
    logs = aten.log1p(rows_BL) + 1
    found = [aten.embedding(table_NE, rows_BL, 0), aten.index(table_NE, [None, rows_BL[:, 1]])]
    found += [aten.index_select(table_NE, 0, rows_BL[:, 0]), aten.index(table_NE, [rows_BL])]
    return [*found, means[0], sums[0], positive_BL, aten.to(rows_BL, torch.float32), logs, logs * rows_BL]


class Everything(torch.nn.Module):
    def __init__(self, pick: Callable[[Everything, dict[str, Tensor]], list[Tensor]]) -> None:
        super().__init__()
        self.pick = pick
        self.linear, self.plain = torch.nn.Linear(4, 3), torch.nn.Linear(4, 3, bias=False)
        self.table = torch.nn.Embedding(6, 4)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        flat = [each.flatten() for each in self.pick(self, inputs)]
        return torch.cat([each if each.is_floating_point() else each.float() for each in flat])


GRAPHS: dict[str, Callable[[Everything, dict[str, Tensor]], list[Tensor]]] = {
    "scalars": lambda _, given: scalars(given["x"]),
    "of two": lambda _, given: of_two(given["x"], given["y"]),
    "folded": lambda _, given: folded(given["x"]),
    "looked up": lambda module, given: looked_up(module.table.weight, given["rows"]),
    "linear": lambda module, given: [module.linear(given["x"]), module.plain(given["y"])],
}


def example() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 5, 4)).astype(np.float32)
    x[0, 0], x[1, 1] = 0.25, -1.5  # log1p: a value beyond its domain
    rows = np.array([[1, 2], [0, 0], [5, 3]])
    return {"x": x, "y": y, "rows": rows}


def exported(pick: Callable[[Everything, dict[str, Tensor]], list[Tensor]]) -> bytes:
    torch.manual_seed(0)
    given = {name: torch.from_numpy(array) for name, array in example().items()}
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(Everything(pick).eval(), (given,)), buffer)
    return buffer.getvalue()


def targets(data: bytes) -> set[str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        model = json.loads(archive.read(next(name for name in archive.namelist() if name.endswith("model.json"))))
    return {node["target"].removeprefix(ATEN) for node in model["graph_module"]["graph"]["nodes"]}


def test_every_version_is_compared() -> None:
    compared = set().union(*(targets(exported(pick)) for pick in GRAPHS.values()))
    assert compared | {"sym_size.int"} == set(_VERSIONS)  # sizes vary in the towers of recipes


@pytest.mark.parametrize("name", GRAPHS)
def test_numpy_computes_what_pytorch_does(name: str) -> None:
    data = exported(GRAPHS[name])
    quick, plain = Program(data, "all", quick_start=True), Program(data, "all")
    assert isinstance(quick.operators, NumpyOperators)
    got, wanted = quick(example()), plain(example())
    assert got.dtype == wanted.dtype
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
