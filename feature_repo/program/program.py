"""Runner of exported programs by their graph alone, without PyTorch's compiler.

An archive holds a graph of ATen operators as JSON and its tensors as plain bytes.
`torch.export.load` imports sympy, networkx and the compiler, which takes longer than a
request. Running the graph node by node calls the same operators, so the results are the
same bits. For a few rows NumPy can run it as well, to spare the import of PyTorch.
Nothing is unpickled or evaluated.
"""

from __future__ import annotations

import io
import json
import operator
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from feature_repo.program.numpy_operators import NumpyOperators
from feature_repo.program.operators import BY_KEYWORD, DTYPES, Operators
from feature_repo.program.torch_operators import TorchOperators
from feature_repo.pt2 import refuse_code

SCHEMA_MAJOR = 8
"""Version of PyTorch's archive format that this module reads."""
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
    """Exported program of one dict of arrays and one result.

    Args:
        data: content of a .pt2 archive.
        name: name of the archive, for messages.
        quick_start: compute by NumPy, without an import of PyTorch, if it knows all
            operators of the graph. It is for few rows; results may differ from
            PyTorch's by rounding.

    Raises:
        UnsafeArchiveError: the archive could run code while being loaded.
        ValueError: another version of the format, or a graph that towers do not have.
    """

    def __init__(self, data: bytes, name: str, *, quick_start: bool = False) -> None:
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
            module = model["graph_module"]
            graph = module["graph"]
            in_numpy = quick_start and NumpyOperators.know(graph)
            self.operators: Operators = NumpyOperators() if in_numpy else TorchOperators()
            tensors: Values = {}
            for kind in ("weights", "constants"):
                tensors |= _tensors(archive, f"{root}/data/{kind}", f"model_{kind}_config.json", self.operators)
        self._fixed, inputs = _inputs(module["signature"], tensors)
        names = _input_names(module["module_call_graph"])
        if len(names) != len(inputs):
            raise ValueError(
                f"{name}: {len(inputs)} inputs for the names {', '.join(names)}; wanted one dict of arrays"
            )
        self.inputs = {
            given: (inside, graph["tensor_values"][inside]) for given, inside in zip(names, inputs, strict=True)
        }
        """Value in the graph, and its declared type, by name of the input."""
        self._steps = [_step(node, graph["tensor_values"], self.operators) for node in graph["nodes"]]
        (output,) = graph["outputs"]
        self._output: str = output["as_tensor"]["name"]

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Run the program.

        Raises:
            ValueError: inputs of other names, types or widths than it was exported
                with.
        """
        if inputs.keys() != self.inputs.keys():
            differing = sorted(inputs.keys() ^ self.inputs.keys())
            raise ValueError(f"{self.name}: missing or unexpected inputs: {', '.join(differing)}")
        values = dict(self._fixed)
        with self.operators.running():
            for given, (inside, declared) in self.inputs.items():
                _check(inputs[given], declared, f"{self.name}, input {given!r}")
                values[inside] = self.operators.given(inputs[given])
            for step in self._steps:
                step.run(values)
            return self.operators.array(values[self._output])


def _tensors(archive: zipfile.ZipFile, folder: str, config: str, operators: Operators) -> Values:
    """Stored tensors of a folder, by name.

    Args:
        archive: the archive.
        folder: folder in it.
        config: file in the folder that describes the tensors.
        operators: the library.
    """
    entries = json.loads(archive.read(f"{folder}/{config}"))["config"]
    return {
        name: operators.stored(archive.read(f"{folder}/{entry['path_name']}"), entry["tensor_meta"])
        for name, entry in entries.items()
    }


def _inputs(signature: Mapping[str, Any], tensors: Values) -> tuple[Values, list[str]]:
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


def _check(array: np.ndarray, declared: Mapping[str, Any], where: str) -> None:
    """Raise ValueError unless an array has the exported type and fixed sizes.

    Args:
        array: the input.
        declared: its description in the graph.
        where: its name, for the message.
    """
    sizes = [size.get("as_int") for size in declared["sizes"]]
    fits = len(sizes) == array.ndim and all(
        wanted in (None, size) for wanted, size in zip(sizes, array.shape, strict=True)
    )
    dtype = DTYPES[declared["dtype"]]
    if not fits or array.dtype.name != dtype:
        shape = ["any" if size is None else size for size in sizes]
        raise ValueError(f"{where}: got {array.dtype} {list(array.shape)}, wanted {dtype} {shape}")


def _step(node: Mapping[str, Any], declared: Mapping[str, Any], operators: Operators) -> _Step:
    """Step of a node.

    Args:
        node: node of the graph.
        declared: descriptions of the graph's tensors by name.
        operators: the library.
    """
    arguments = [(each["name"], each.get("kind"), _argument(each["arg"], operators)) for each in node["inputs"]]
    target, outputs = node["target"], tuple(_result(output) for output in node["outputs"])
    single = declared.get(outputs[0]) if len(outputs) == 1 and isinstance(outputs[0], str) else None
    dtype = DTYPES[single["dtype"]] if single else None
    return _Step(
        call=NUMBERS[target] if target in NUMBERS else operators.operator(target, dtype),
        args=tuple(argument for _, kind, argument in arguments if kind != BY_KEYWORD),
        kwargs={name: argument for name, kind, argument in arguments if kind == BY_KEYWORD},
        outputs=outputs,
    )


def _argument(arg: Mapping[str, Any], operators: Operators) -> Argument:
    """Source of an argument.

    Raises:
        ValueError: a kind that towers do not have.
    """
    ((kind, value),) = arg.items()
    if kind in ("as_tensor", "as_sym_int", "as_sym_float", "as_sym_bool"):
        return _named(value, operators)
    if kind in ("as_tensors", "as_sym_ints", "as_optional_tensors"):
        parts = [_named(each, operators) for each in value]
        return lambda values: [part(values) for part in parts]
    if kind == "as_none":
        return _constant(None)
    if kind in PLAIN:
        return _constant(value)
    if kind == "as_float":  # "Infinity" and "NaN" are stored as text
        return _constant(float(value))
    if kind == "as_floats":
        return _constant([float(each) for each in value])
    return _constant(operators.option(kind, value))


def _named(value: Mapping[str, Any], operators: Operators) -> Argument:
    """Argument by its name, or a constant number instead."""
    for kind in ("name", "as_name"):
        if kind in value:
            name = value[kind]
            return lambda values: values[name]
    ((kind, content),) = value.items()
    return _argument({kind: {"name": content["name"]} if kind == "as_tensor" else content}, operators)


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
