"""Programs run by their graph alone: the same bits as through PyTorch.

Nothing of its compiler is imported.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from feature_repo.program import Program
from feature_repo.program.program import PARTS
from feature_repo.pt2 import UnsafeArchiveError, load_program

ROOT = Path(__file__).parents[4]


class _Tower(torch.nn.Module):
    """Module with all parts of graphs: weights, buffers, constants, lists, sizes.

    Also infinities and several results.
    """

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(10, 4)
        self.gru = torch.nn.GRU(4, 4, batch_first=True)
        self.norm = torch.nn.LayerNorm(4)
        self.register_buffer("scale", torch.arange(8.0).reshape(4, 2).T, persistent=False)
        self.register_buffer("nothing", torch.zeros(0, 4))
        self.constant = torch.arange(4.0)

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        embedded_BLD = self.embedding(inputs["items"])
        masked_BL = torch.zeros(inputs["items"].shape).masked_fill(inputs["items"] == 0, float("-inf"))
        _, last_1BD = self.gru(embedded_BLD)
        first_BD, second_BD = torch.cat([last_1BD[0], inputs["numbers"]], -1).chunk(2, -1)
        pooled_BD = (embedded_BLD * masked_BL.softmax(-1).nan_to_num()[..., None]).sum(1)
        found_BD = self.norm(pooled_BD + first_BD + second_BD + self.constant) @ self.scale.T
        rows_B = torch.arange(inputs["items"].shape[0])[:, None] + self.nothing.sum()
        return torch.nn.functional.normalize(found_BD, dim=-1) * (1 + rows_B)


def example(rows: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(rows)
    return {"items": rng.integers(0, 10, (rows, 5), np.int32), "numbers": rng.random((rows, 4), np.float32)}


def tensors(arrays: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


@pytest.fixture(scope="module")
def archive() -> bytes:
    torch.manual_seed(0)
    shapes = ({name: {0: torch.export.Dim("batch", min=1, max=1000)} for name in example(2)},)
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(_Tower().eval(), (tensors(example(2)),), dynamic_shapes=shapes), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("rows", [1, 3, 200])
def test_a_program_computes_the_same_bits(archive: bytes, rows: int) -> None:
    with torch.inference_mode():
        wanted = load_program(archive, "tower").module()(tensors(example(rows))).numpy()
    assert np.array_equal(Program(archive, "tower")(example(rows)), wanted)
    # NumPy has no recurrent cells: PyTorch runs the program whatever was asked for.
    assert np.array_equal(Program(archive, "tower", quick_start=True)(example(rows)), wanted)


class _Pooled(torch.nn.Module):
    """Module that NumPy can run: the mean of each row's items."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(10, 4)

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.embedding(inputs["items"]).sum(1).relu()


@pytest.mark.parametrize("rows", [1, PARTS - 1, PARTS, PARTS + 1, 3 * PARTS])
@pytest.mark.parametrize("quick_start", [True, False])
def test_numpy_runs_in_parts(rows: int, quick_start: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"items": example(rows)["items"]}
    shapes = ({"items": {0: torch.export.Dim("batch", min=1, max=1000)}},)
    buffer = io.BytesIO()
    two = tensors({"items": example(2)["items"]})
    torch.export.save(torch.export.export(_Pooled().eval(), (two,), dynamic_shapes=shapes), buffer)
    program, run, sizes = Program(buffer.getvalue(), "tower", quick_start=quick_start), Program.__call__, []
    monkeypatch.setattr(Program, "__call__", lambda self, part: sizes.append(len(part["items"])) or run(self, part))
    np.testing.assert_allclose(program.in_parts(given), run(program, given), atol=1e-6)
    assert sum(sizes) == rows
    assert max(sizes) <= PARTS if quick_start else sizes == [rows]


def test_a_program_imports_nothing_of_the_compiler(archive: bytes, tmp_path: Path) -> None:
    (tmp_path / "tower.pt2").write_bytes(archive)
    code = "import sys; from pathlib import Path; from feature_repo.program import Program\n"
    code += "Program(Path(sys.argv[1]).read_bytes(), 'tower'); print({'sympy', 'torch._dynamo'} & set(sys.modules))"
    command = [sys.executable, "-c", code, str(tmp_path / "tower.pt2")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda inputs: inputs.pop("numbers"), "missing or unexpected inputs: numbers"),
        (lambda inputs: inputs.update(other=inputs["numbers"]), "missing or unexpected inputs: other"),
        (lambda inputs: inputs.update(numbers=np.zeros((2, 3), np.float32)), r"\[2, 3\], wanted float32 \['any', 4\]"),
        (lambda inputs: inputs.update(items=np.zeros((2, 5), np.float32)), "got float32"),
    ],
)
def test_inputs_of_another_form_are_refused(
    archive: bytes, change: Callable[[dict[str, np.ndarray]], object], said: str
) -> None:
    inputs = example(2)
    change(inputs)
    with pytest.raises(ValueError, match=said):
        Program(archive, "tower")(inputs)


def rewritten(archive: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """The archive with another graph."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(buffer, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("models/model.json"):
                model = json.loads(content)
                change(model)
                content = json.dumps(model).encode()
            target.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize("target", ["os.system", "torch.hub.load", "torch.ops.other.run.default", "_operator.call"])
def test_a_function_that_is_no_operator_is_not_called(archive: bytes, target: str) -> None:
    def change(model: dict[str, Any]) -> None:
        model["graph_module"]["graph"]["nodes"][0]["target"] = target

    with pytest.raises(UnsafeArchiveError, match=target):
        Program(rewritten(archive, change), "tower")


def test_another_format_is_named(archive: bytes) -> None:
    with pytest.raises(ValueError, match=r"written by torch 2\..* wanted format 8"):
        Program(rewritten(archive, lambda model: model["schema_version"].update(major=9)), "tower")


def test_a_value_that_no_earlier_node_computes_is_named(archive: bytes) -> None:
    def change(model: dict[str, Any]) -> None:
        nodes = model["graph_module"]["graph"]["nodes"]
        nodes.insert(0, nodes.pop())

    with pytest.raises(ValueError, match=r"reads '\w+' before it is computed"):
        Program(rewritten(archive, change), "tower")


def test_a_run_leaves_no_values_for_one_beside_it(archive: bytes) -> None:
    program = Program(archive, "tower")
    before = list(program._start)
    program(example(3))
    assert all(value is one for value, one in zip(program._start, before, strict=True))
