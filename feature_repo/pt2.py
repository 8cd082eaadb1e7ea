"""Guard of `torch.export` archives: refuses all that could run code when loaded.

`torch.export.load` (torch 2.13) unpickles tensors marked `use_pickle`, legacy weight
files, and custom and opaque constants. It falls back to full unpickling of the sample
inputs, and hands symbolic expressions to sympy, which evaluates them. An archive may
therefore hold only the members that a plain program needs, and each is checked.
"""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_PAYLOADS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")
_SAMPLE = "data/sample_inputs/model.pt"
_PROGRAM = "models/model.json"
_ALLOWED = re.compile(
    r"models/model\.json|data/weights/(weight_\d+|model_weights_config\.json)"
    r"|data/constants/(tensor_\d+|model_constants_config\.json)|data/sample_inputs/model\.pt"
    r"|archive_format|archive_version|byteorder|\.data/(version|serialization_id)"
)
_SYMBOLIC = (
    ast.Expression, ast.Call, ast.Name, ast.Load, ast.keyword, ast.Constant, ast.UnaryOp, ast.USub, ast.UAdd,
    ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow,
    ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE,
)  # fmt: skip


class UnsafeArchiveError(ValueError):
    """A .pt2 archive that could run code while being loaded."""


def load_program(data: bytes, name: str) -> ExportedProgram:
    """Program of a .pt2 archive; `name` is for the message.

    Raises:
        UnsafeArchiveError: the archive could run code.
    """
    import torch

    refuse_code(data, name)
    return torch.export.load(io.BytesIO(data))


def refuse_code(data: bytes, name: str) -> None:
    """Raise UnsafeArchiveError unless the archive holds a plain program.

    Refused are pickles, custom objects, and expressions beyond plain arithmetic.

    Args:
        data: content of a .pt2 archive.
        name: name of the archive, for the message.
    """
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise UnsafeArchiveError(f"{name} is not a torch.export archive")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = _members(archive, name)
        for payload in _PAYLOADS:
            entries = json.loads(archive.read(members[payload]))["config"]
            pickled = [key for key, entry in entries.items() if entry.get("use_pickle") is not False]
            if pickled:
                raise UnsafeArchiveError(f"{name} holds pickled tensors: {', '.join(pickled[:3])} (use_pickle)")
        for expression in _values_of(json.loads(archive.read(members[_PROGRAM])), "expr_str"):
            if not _is_symbolic(expression):
                raise UnsafeArchiveError(f"{name} holds an expression that is not plain arithmetic: {expression!r}")
        _refuse_pickled_objects(archive.read(members[_SAMPLE]), name)


def _members(archive: zipfile.ZipFile, name: str) -> dict[str, str]:
    """Full names of the members by their names without the root folder.

    Raises:
        UnsafeArchiveError: a member that is missing, not allowed, or there twice.
    """
    full = archive.namelist()
    members = {member.partition("/")[2]: member for member in full}
    if len({member.lower() for member in full}) != len(full) or len(members) != len(full):
        raise UnsafeArchiveError(f"{name} holds members of the same name")
    odd = sorted(member for member in members if not _ALLOWED.fullmatch(member))
    if odd:
        raise UnsafeArchiveError(f"{name} holds members that a plain program does not need: {', '.join(odd[:3])}")
    missing = [member for member in (*_PAYLOADS, _PROGRAM, _SAMPLE) if member not in members]
    if missing:
        raise UnsafeArchiveError(f"{name} is not a torch.export archive: no {', '.join(missing)}")
    return members


def _refuse_pickled_objects(data: bytes, name: str) -> None:
    """Raise UnsafeArchiveError for sample inputs beyond tensors and containers."""
    import pickle

    import torch

    # Sample inputs are a torch.save file, which `torch.export.load` would unpickle in
    # full.
    try:
        torch.load(io.BytesIO(data), weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise UnsafeArchiveError(f"{name} holds pickled objects in its sample inputs") from error


def _values_of(tree: Any, key: str) -> Iterator[Any]:
    """Every value stored under `key`, at any depth."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            if name == key:
                yield value
            else:
                yield from _values_of(value, key)
    elif isinstance(tree, list):
        for value in tree:
            yield from _values_of(value, key)


def _is_symbolic(expression: Any) -> bool:
    """Whether a text is arithmetic over symbols, as torch prints it.

    Calls are allowed only of sympy classes: `Symbol('s1')`, `Max(…)`.
    """
    try:
        nodes = list(ast.walk(ast.parse(expression, mode="eval")))
    except (SyntaxError, ValueError, TypeError):
        return False
    calls = [node.func for node in nodes if isinstance(node, ast.Call)]
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return (
        all(isinstance(node, _SYMBOLIC) for node in nodes)
        and all(isinstance(function, ast.Name) and re.fullmatch(r"[A-Z][A-Za-z]*", function.id) for function in calls)
        and all(re.fullmatch(r"\w+", text) for text in texts)
    )
