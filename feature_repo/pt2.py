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
import pickletools
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
_SAMPLE_ALLOWED = re.compile(
    r"data\.pkl|data/\d+|byteorder|version|\.data/serialization_id|\.format_version|\.storage_alignment"
)
_ZIP = b"PK\x03\x04"
_SAMPLE_NAMES = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_tensor_v2|torch\._tensor _rebuild_from_type_v2"
    r"|torch (Tensor|[A-Z][A-Za-z0-9]*Storage)"
)
_SAMPLE_CODES = re.compile(
    r"PROTO|STOP|MARK|GLOBAL|REDUCE|BINPERSID|(LONG_)?BIN(PUT|GET)|BINUNICODE|NONE|NEW(TRUE|FALSE)|BININT[12]?|LONG1"
    r"|(EMPTY_)?TUPLE|TUPLE[123]|EMPTY_LIST|APPENDS?|EMPTY_DICT|SETITEMS?"
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
    import pickle

    import torch

    refuse_code(data, name)
    # What the guard read as a plain pickle, PyTorch's own reader must read as one too.
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sample = archive.read(_members(archive, name)[_SAMPLE])
    try:
        torch.load(io.BytesIO(sample), weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise UnsafeArchiveError(f"{name} holds pickled objects in its sample inputs") from error
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
    # Sample inputs are a torch.save file, which `torch.export.load` would unpickle in
    # full. Its pickle is read here code by code, without running it.
    try:
        plain = data.startswith(_ZIP) and all(_is_plain(code, arg) for code, arg in _pickle_codes(data))
    except (ValueError, KeyError, zipfile.BadZipFile):
        plain = False
    if not plain:
        raise UnsafeArchiveError(f"{name} holds pickled objects in its sample inputs")


def _pickle_codes(data: bytes) -> Iterator[tuple[str, Any]]:
    """Opcodes and their arguments in the pickle of a torch.save file.

    Raises:
        ValueError: members that such a file does not need.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        full = archive.namelist()
        root = full[0].partition("/")[0]
        inside = [member.removeprefix(f"{root}/") for member in full]
        if len(set(full)) != len(full) or not all(map(_SAMPLE_ALLOWED.fullmatch, inside)):
            raise ValueError(f"members {full}; wanted one pickle and its tensors")
        for code, arg, _ in pickletools.genops(archive.read(f"{root}/data.pkl")):
            yield code.name, arg


def _is_plain(code: str, arg: Any) -> bool:
    """Whether an opcode of a pickle makes only tensors and containers."""
    known = _SAMPLE_CODES.fullmatch(code) is not None
    return known and (code != "GLOBAL" or _SAMPLE_NAMES.fullmatch(arg) is not None)


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
