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
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from feature_repo.program.numpy_operators import NumpyOperators
from feature_repo.program.operators import DTYPES, Operators
from feature_repo.program.steps import Values, steps_of
from feature_repo.program.torch_operators import TorchOperators
from feature_repo.pt2 import refuse_code

PARTS = 4
"""Rows of a run by NumPy: with more, the arrays of long histories leave the processor's cache."""
SCHEMA_MAJOR = 8
"""Version of PyTorch's archive format that this module reads."""


@dataclass(frozen=True, slots=True)
class Given:
    """One input of a program."""

    position: int
    """Position of its value."""
    dtype: str
    """Type that it was exported with."""
    sizes: tuple[int | None, ...]
    """Sizes that it was exported with; None for any."""

    def fits(self, array: np.ndarray) -> bool:
        """Whether an array has the exported type and fixed sizes."""
        if array.dtype != self.dtype or array.ndim != len(self.sizes):
            return False
        return all(wanted is None or wanted == size for wanted, size in zip(self.sizes, array.shape, strict=True))


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
            tensors: dict[str, Any] = {}
            for kind in ("weights", "constants"):
                tensors |= _tensors(archive, f"{root}/data/{kind}", f"model_{kind}_config.json", self.operators)
        stored, inputs = _inputs(module["signature"], tensors)
        names = _input_names(module["module_call_graph"])
        if len(names) != len(inputs):
            raise ValueError(
                f"{name}: {len(inputs)} inputs for the names {', '.join(names)}; wanted one dict of arrays"
            )
        values = Values(stored)
        self.inputs = {
            given: _given(values.add(name=inside), graph["tensor_values"][inside])
            for given, inside in zip(names, inputs, strict=True)
        }
        """Inputs by name."""
        self._steps = steps_of(graph, values, self.operators)
        self._start = values.start
        (output,) = graph["outputs"]
        self._output = values.position(output["as_tensor"]["name"])

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Run the program.

        Raises:
            ValueError: inputs of other names, types or widths than it was exported
                with.
        """
        if inputs.keys() != self.inputs.keys():
            differing = sorted(inputs.keys() ^ self.inputs.keys())
            raise ValueError(f"{self.name}: missing or unexpected inputs: {', '.join(differing)}")
        values = self._start.copy()
        with self.operators.running():
            for name, given in self.inputs.items():
                array = inputs[name]
                if not given.fits(array):
                    raise ValueError(f"{self.name}, input {name!r}: {_misfit(array, given)}")
                values[given.position] = self.operators.given(array)
            for call, arguments, result in self._steps:
                values[result] = call(*arguments(values))
            return self.operators.array(values[self._output])

    def in_parts(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Run on rows, few at a time where NumPy computes.

        Args:
            inputs: as of a run; the first axis of each are rows, at least one.
        """
        rows = len(next(iter(inputs.values())))
        at_once = PARTS if isinstance(self.operators, NumpyOperators) else rows
        if rows <= at_once:
            return self(inputs)
        parts = ({name: array[n : n + at_once] for name, array in inputs.items()} for n in range(0, rows, at_once))
        return np.concatenate([self(part) for part in parts])


def _tensors(archive: zipfile.ZipFile, folder: str, config: str, operators: Operators) -> dict[str, Any]:
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


def _inputs(signature: Mapping[str, Any], tensors: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Stored values of the graph, and names of the given ones in order."""
    fixed: dict[str, Any] = {}
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


def _given(position: int, declared: Mapping[str, Any]) -> Given:
    """Input at a position, of its description in the graph."""
    sizes = tuple(size.get("as_int") for size in declared["sizes"])
    return Given(position=position, dtype=str(DTYPES[declared["dtype"]]), sizes=sizes)


def _misfit(array: np.ndarray, given: Given) -> str:
    shape = ["any" if size is None else size for size in given.sizes]
    return f"got {array.dtype} {list(array.shape)}, wanted {given.dtype} {shape}"
