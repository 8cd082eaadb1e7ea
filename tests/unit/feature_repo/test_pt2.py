"""Archives that could run code when loaded are refused; a plain program loads."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from feature_repo.pt2 import UnsafeArchiveError, load_program, refuse_code

Members = dict[str, bytes]


class _Program(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(10, 4)
        self.register_buffer("scale", torch.ones(4))
        self.constant = torch.arange(4.0)

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        pooled = self.embedding(inputs["items"]).mean(1) * self.scale + self.constant
        return torch.nn.functional.normalize(pooled.reshape(-1, 4), dim=-1)


@pytest.fixture(scope="module")
def plain() -> bytes:
    inputs = {"items": torch.zeros(3, 5, dtype=torch.int32)}
    dynamic = {"items": {0: torch.export.Dim.DYNAMIC}}
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(_Program(), (inputs,), dynamic_shapes=(dynamic,)), buffer)
    return buffer.getvalue()


class _Payload:
    """Unpickling this creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.path),)


def changed(archive: bytes, change: Callable[[Members, str], None]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        members = {name: source.read(name) for name in source.namelist()}
    root = next(iter(members)).partition("/")[0] + "/"
    change(members, root)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name, content in members.items():
            target.writestr(name, content)
    return buffer.getvalue()


def test_a_plain_program_loads(plain: bytes) -> None:
    program = load_program(plain, "user_tower.pt2").module()
    inputs = {"items": torch.ones(1, 5, dtype=torch.int32)}
    assert program(inputs).shape == (1, 4)
    refuse_code(changed(plain, lambda members, root: None), "unchanged")  # the crafting itself is harmless


def _pickled_weight(members: Members, root: str, payload: bytes) -> None:
    name = f"{root}data/weights/model_weights_config.json"
    config = json.loads(members[name])
    entry = next(iter(config["config"].values()))
    entry["use_pickle"] = True
    members[name] = json.dumps(config).encode()
    members[root + "data/weights/" + entry["path_name"]] = payload


def _pickled_sample(members: Members, root: str, payload: bytes) -> None:
    members[f"{root}data/sample_inputs/model.pt"] = payload


def _opaque_constant(members: Members, root: str, payload: bytes) -> None:
    name = f"{root}data/constants/model_constants_config.json"
    config = json.loads(members[name])
    config["config"]["constant"] = {
        "path_name": "opaque_obj_0",
        "is_param": False,
        "use_pickle": True,
        "tensor_meta": None,
    }
    members[name] = json.dumps(config).encode()
    members[f"{root}data/constants/opaque_obj_0"] = payload


def _legacy_weights(members: Members, root: str, payload: bytes) -> None:
    members[f"{root}data/weights/model.pt"] = payload


@pytest.mark.parametrize("craft", [_pickled_weight, _pickled_sample, _opaque_constant, _legacy_weights])
def test_hidden_pickles_are_refused_before_they_run(plain: bytes, tmp_path: Path, craft: Callable[..., None]) -> None:
    trace = tmp_path / "it-ran"
    saved = io.BytesIO()
    torch.save(_Payload(trace), saved)
    payload = pickle.dumps(_Payload(trace)) if craft is _opaque_constant else saved.getvalue()
    crafted = changed(plain, lambda members, root: craft(members, root, payload))
    with pytest.raises(UnsafeArchiveError, match=r"user_tower\.pt2"):
        load_program(crafted, "user_tower.pt2")
    assert not trace.exists()
    with contextlib.suppress(Exception):  # the archive is a real attack: without the guard, it runs
        torch.export.load(io.BytesIO(crafted))
    assert trace.exists()


def _other_function(sample: Members) -> None:
    sample["archive/data.pkl"] = sample["archive/data.pkl"].replace(b"ccollections\nOrderedDict\n", b"cposix\nsystem\n")


def _function_by_name_on_the_stack(sample: Members) -> None:
    sample["archive/data.pkl"] = pickle.dumps(os.getpid, protocol=4)


def _second_pickle(sample: Members) -> None:
    sample["archive/constants.pkl"] = sample["archive/data.pkl"]


def _no_pickle(sample: Members) -> None:
    del sample["archive/data.pkl"]


@pytest.mark.parametrize("craft", [_other_function, _function_by_name_on_the_stack, _second_pickle, _no_pickle])
def test_sample_inputs_hold_tensors_only(plain: bytes, craft: Callable[[Members], None]) -> None:
    def change(members: Members, root: str) -> None:
        name = f"{root}data/sample_inputs/model.pt"
        members[name] = changed(members[name], lambda sample, _: craft(sample))

    with pytest.raises(UnsafeArchiveError, match="sample inputs"):
        refuse_code(changed(plain, change), "tower")


def test_sample_inputs_before_a_zip_are_refused(plain: bytes) -> None:
    """PyTorch reads such a file as an old pickle, which a reader of zip files skips."""

    def change(members: Members, root: str) -> None:
        members[f"{root}data/sample_inputs/model.pt"] = pickle.dumps(0) + members[f"{root}data/sample_inputs/model.pt"]

    with pytest.raises(UnsafeArchiveError, match="sample inputs"):
        refuse_code(changed(plain, change), "tower")


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').mkdir('x')",
        "Symbol('s0').__class__",
        "exec('x')",
        "[x for x in y]",
        "Symbol('a b')",
        3,
        "s0 +",
    ],
)
def test_symbolic_expressions_are_arithmetic(plain: bytes, expression: object) -> None:
    def change(members: Members, root: str) -> None:
        name = f"{root}models/model.json"
        text = members[name].decode()
        assert '"expr_str"' in text

        def replaced(tree: object) -> object:
            if isinstance(tree, dict):
                return {k: expression if k == "expr_str" else replaced(v) for k, v in tree.items()}
            return [replaced(v) for v in tree] if isinstance(tree, list) else tree

        members[name] = json.dumps(replaced(json.loads(text))).encode()

    with pytest.raises(UnsafeArchiveError, match="not plain arithmetic"):
        refuse_code(changed(plain, change), "tower")


def test_two_members_of_one_name_are_refused(plain: bytes) -> None:
    def change(members: Members, root: str) -> None:
        members[f"{root}models/MODEL.json"] = b"{}"

    with pytest.raises(UnsafeArchiveError, match="same name"):
        refuse_code(changed(plain, change), "tower")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x05\x06" + bytes(18)])
def test_a_file_that_is_no_archive_is_refused(content: bytes) -> None:
    with pytest.raises(UnsafeArchiveError, match=r"not a torch\.export archive"):
        refuse_code(content, "tower")
