"""Runner of exported programs by their graph alone, without PyTorch's compiler.

An archive holds a graph of ATen operators as JSON and its tensors as plain bytes.
`torch.export.load` imports sympy, networkx and the compiler, which takes longer than a
request. Running the graph node by node calls the same operators, so the results are the
same bits. Nothing is unpickled or evaluated.
"""

from __future__ import annotations

import io
import json
import operator
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from feature_repo.pt2 import UnsafeArchiveError, refuse_code

if TYPE_CHECKING:
    import torch

SCHEMA_MAJOR = 8
"""Version of PyTorch's archive format that this module reads."""
# PyTorch's names by their numbers in the format.
DTYPES = (
    None, "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64",
    "complex32", "complex64", "complex128", "bool", "bfloat16",
)  # fmt: skip
STRIDED = 7
MEMORY_FORMATS = (None, "contiguous_format", "channels_last", "channels_last_3d", "preserve_format")
BY_KEYWORD = 2
PLAIN = ("as_int", "as_bool", "as_string", "as_ints", "as_bools", "as_strings")
NUMBERS = {f"_operator.{name}": getattr(operator, name) for name in ("add", "sub", "mul", "floordiv", "mod", "neg")}
"""Arithmetic on sizes, the only calls that are no ATen operators."""
Values = dict[str, Any]
Argument = Callable[[Values], Any]
"""Lookup of an argument among the values computed so far."""


@dataclass(frozen=True)
class _Step:
    """One node of the graph."""

    call: Callable[..., Any]
    """Operator."""
    args: tuple[Argument, ...]
    """Positional arguments."""
    kwargs: Mapping[str, Argument]
    """Keyword arguments."""
    outputs: tuple[tuple[str | None, ...] | str | None, ...]
    """Names of the results: None for an unused one, a tuple for a list of tensors."""

    def run(self, values: Values) -> None:
        """Compute the node from earlier values and add its results to them."""
        kwargs = {name: argument(values) for name, argument in self.kwargs.items()}
        result = self.call(*(argument(values) for argument in self.args), **kwargs)
        # A node without results is an assertion.
        if not self.outputs:
            return
        results = (result,) if len(self.outputs) == 1 else result
        for names, given in zip(self.outputs, results, strict=True):
            if isinstance(names, tuple):
                values.update((name, each) for name, each in zip(names, given, strict=True) if name)
            elif names:
                values[names] = given


class Program:
    """Exported program of one dict of tensors and one result.

    Args:
        data: content of a .pt2 archive.
        name: name of the archive, for messages.

    Raises:
        UnsafeArchiveError: the archive could run code while being loaded.
        ValueError: another version of the format, or a graph that towers do not have.
    """

    def __init__(self, data: bytes, name: str) -> None:
        refuse_code(data, name)
        self.name = name
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            root = archive.namelist()[0].partition("/")[0]
            model = json.loads(archive.read(f"{root}/models/model.json"))
            if model["schema_version"]["major"] != SCHEMA_MAJOR:
                raise ValueError(
                    f"{name} was written by torch {model['torch_version']} in format {model['schema_version']}; wanted"
                    f" format {SCHEMA_MAJOR}: use the torch of that release, or train it again"
                )
            tensors = _tensors(archive, root, "weights") | _tensors(archive, root, "constants")
        module = model["graph_module"]
        graph = module["graph"]
        self._fixed, inputs = _inputs(module["signature"], tensors)
        names = _input_names(module["module_call_graph"])
        if len(names) != len(inputs):
            raise ValueError(
                f"{name}: {len(inputs)} inputs for the names {', '.join(names)}; wanted one dict of tensors"
            )
        self.inputs = {
            given: (inside, graph["tensor_values"][inside]) for given, inside in zip(names, inputs, strict=True)
        }
        """Value in the graph, and its declared type, by name of the input."""
        self._steps = [_step(node) for node in graph["nodes"]]
        (output,) = graph["outputs"]
        self._output: str = output["as_tensor"]["name"]

    def __call__(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Run the program.

        Raises:
            ValueError: inputs of other names, types or widths than it was exported
                with.
        """
        if inputs.keys() != self.inputs.keys():
            differing = sorted(inputs.keys() ^ self.inputs.keys())
            raise ValueError(f"{self.name}: missing or unexpected inputs: {', '.join(differing)}")
        values = dict(self._fixed)
        for given, (inside, declared) in self.inputs.items():
            _check(inputs[given], declared, f"{self.name}, input {given!r}")
            values[inside] = inputs[given]
        for step in self._steps:
            step.run(values)
        result: torch.Tensor = values[self._output]
        return result


def _tensors(archive: zipfile.ZipFile, root: str, kind: str) -> dict[str, torch.Tensor]:
    """Stored tensors of a kind, by name.

    Args:
        archive: the archive.
        root: its root folder.
        kind: `weights` or `constants`.
    """
    folder = f"{root}/data/{kind}"
    config = json.loads(archive.read(f"{folder}/model_{kind}_config.json"))["config"]
    return {name: _tensor(archive.read(f"{folder}/{entry['path_name']}"), entry) for name, entry in config.items()}


def _tensor(content: bytes, entry: Mapping[str, Any]) -> torch.Tensor:
    import torch

    meta = entry["tensor_meta"]
    dtype = _dtype(meta["dtype"])
    sizes, strides = ([size["as_int"] for size in meta[part]] for part in ("sizes", "strides"))
    if not content:
        return torch.empty(sizes, dtype=dtype)
    # A copy, because a tensor over immutable bytes would be unsafe to write to.
    stored = torch.frombuffer(bytearray(content), dtype=dtype)
    return stored.as_strided(sizes, strides, meta["storage_offset"]["as_int"])


def _inputs(signature: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> tuple[Values, list[str]]:
    """Stored values of the graph, and names of the given ones in order."""
    fixed: Values = {}
    given: list[str] = []
    for spec in signature["input_specs"]:
        ((kind, entry),) = spec.items()
        if kind == "user_input":
            given.append(entry["arg"]["as_tensor"]["name"])
        elif kind in ("parameter", "buffer", "tensor_constant"):
            fixed[entry["arg"]["name"]] = tensors[entry[f"{kind}_name"]]
        else:
            raise ValueError(f"input of kind {kind}; wanted tensors")
    if odd := [kind for spec in signature["output_specs"] for kind in spec if kind != "user_output"]:
        raise ValueError(f"the program changes its own state ({', '.join(odd)}); wanted a pure one")
    return fixed, given


def _input_names(calls: list[dict[str, Any]]) -> list[str]:
    """Keys of the dict that the program takes, in the order of its inputs."""
    _, spec = json.loads(calls[0]["signature"]["in_spec"])
    (given,) = spec["children_spec"][0]["children_spec"]
    names: list[str] = json.loads(given["context"])
    return names


def _check(tensor: torch.Tensor, declared: Mapping[str, Any], where: str) -> None:
    """Raise ValueError unless a tensor has the exported type and fixed sizes.

    Args:
        tensor: the input.
        declared: its description in the graph.
        where: its name, for the message.
    """
    sizes = [size.get("as_int") for size in declared["sizes"]]
    fits = len(sizes) == tensor.dim() and all(
        wanted in (None, size) for wanted, size in zip(sizes, tensor.shape, strict=True)
    )
    if not fits or tensor.dtype != _dtype(declared["dtype"]):
        shape = ["any" if size is None else size for size in sizes]
        raise ValueError(
            f"{where}: got {tensor.dtype} {list(tensor.shape)}, wanted {_dtype(declared['dtype'])} {shape}"
        )


def _step(node: Mapping[str, Any]) -> _Step:
    arguments = [(each["name"], each.get("kind"), _argument(each["arg"])) for each in node["inputs"]]
    return _Step(
        call=_call(node["target"]),
        args=tuple(argument for _, kind, argument in arguments if kind != BY_KEYWORD),
        kwargs={name: argument for name, kind, argument in arguments if kind == BY_KEYWORD},
        outputs=tuple(_result(output) for output in node["outputs"]),
    )


def _call(target: str) -> Callable[..., Any]:
    """Operator of a node.

    Raises:
        UnsafeArchiveError: neither an ATen operator nor arithmetic on sizes.
    """
    import torch

    if target in NUMBERS:
        number: Callable[..., Any] = NUMBERS[target]
        return number
    parts = target.split(".")
    if parts[:3] != ["torch", "ops", "aten"] or len(parts) != 5:
        raise UnsafeArchiveError(f"the program calls {target!r}; wanted ATen operators")
    found: Callable[..., Any] = getattr(getattr(torch.ops.aten, parts[3]), parts[4])
    return found


def _argument(arg: Mapping[str, Any]) -> Argument:
    """Source of an argument.

    Raises:
        ValueError: a kind that towers do not have.
    """
    import torch

    ((kind, value),) = arg.items()
    if kind in ("as_tensor", "as_sym_int", "as_sym_float", "as_sym_bool"):
        return _named(value)
    if kind in ("as_tensors", "as_sym_ints", "as_optional_tensors"):
        parts = [_named(each) for each in value]
        return lambda values: [part(values) for part in parts]
    if kind == "as_none":
        return _constant(None)
    if kind in PLAIN:
        return _constant(value)
    if kind == "as_float":  # "Infinity" and "NaN" are stored as text
        return _constant(float(value))
    if kind == "as_floats":
        return _constant([float(each) for each in value])
    if kind == "as_scalar_type":
        return _constant(_dtype(value))
    if kind == "as_device" and value["type"] == "cpu":
        return _constant(torch.device("cpu"))
    if kind == "as_layout" and value == STRIDED:
        return _constant(torch.strided)
    if kind == "as_memory_format":
        return _constant(getattr(torch, str(MEMORY_FORMATS[value])))
    raise ValueError(f"argument {kind}={value!r}; wanted tensors, sizes and plain values on the CPU")


def _named(value: Mapping[str, Any]) -> Argument:
    """Argument by its name, or a constant number instead."""
    for kind in ("name", "as_name"):
        if kind in value:
            name = value[kind]
            return lambda values: values[name]
    ((kind, content),) = value.items()
    return _argument({kind: {"name": content["name"]} if kind == "as_tensor" else content})


def _constant(value: Any) -> Argument:
    return lambda values: value


def _result(output: Mapping[str, Any]) -> tuple[str | None, ...] | str | None:
    ((kind, value),) = output.items()
    if kind == "as_tensors":
        return tuple(each["name"] for each in value)
    if kind == "as_none":
        return None
    name: str = value["name"] if kind == "as_tensor" else value["as_name"]
    return name


def _dtype(number: int) -> torch.dtype:
    import torch

    found: torch.dtype = getattr(torch, str(DTYPES[number]))
    return found
