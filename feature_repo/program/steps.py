"""Steps of a graph: its nodes, prepared so that a run does little beside their operators.

All values of a run lie in one list: stored tensors, constant arguments, inputs, results.
A step knows the positions of its arguments and that of its result.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from feature_repo.program.operators import BY_KEYWORD, DTYPES, Operators

PLAIN = ("as_int", "as_bool", "as_string", "as_ints", "as_bools", "as_strings")
NUMBERS = {f"_operator.{name}": getattr(operator, name) for name in ("add", "sub", "mul", "floordiv", "mod", "neg")}
"""Arithmetic on sizes, the only calls that are no ATen operators."""


class Step(NamedTuple):
    """One call of a run."""

    call: Callable[..., Any]
    """Operator."""
    arguments: Callable[[list[Any]], Sequence[Any]]
    """Selection of its arguments among the values."""
    result: int
    """Position of its result."""


class Values:
    """Values of a graph before a run, and their positions.

    Args:
        stored: stored tensors by name.
    """

    def __init__(self, stored: Mapping[str, Any]) -> None:
        self.start = list(stored.values())
        """Stored tensors and constants; None where a run puts a value."""
        self._positions = {name: position for position, name in enumerate(stored)}

    def add(self, value: Any = None, name: str | None = None) -> int:
        """Position of a constant, or of a value that a run puts there under a name."""
        if name is not None:
            self._positions[name] = len(self.start)
        self.start.append(value)
        return len(self.start) - 1

    def position(self, name: str) -> int:
        """Position of an earlier value.

        Raises:
            ValueError: no such value.
        """
        if name not in self._positions:
            raise ValueError(f"the graph reads {name!r} before it is computed; wanted the graph of torch.export")
        return self._positions[name]


def steps_of(graph: Mapping[str, Any], values: Values, operators: Operators) -> list[Step]:
    """Steps of a graph in order.

    Args:
        graph: the graph.
        values: stored tensors and inputs; constants and results are added.
        operators: the library.

    Raises:
        UnsafeArchiveError: a call that is no operator.
        ValueError: an argument that towers do not have.
    """
    builder = _Builder(graph["tensor_values"], values, operators)
    return [step for node in graph["nodes"] for step in builder.steps(node)]


class _Builder:
    """Builder of the steps of a graph's nodes.

    Args:
        declared: descriptions of the graph's tensors by name.
        values: values of the graph.
        operators: the library.
    """

    def __init__(self, declared: Mapping[str, Any], values: Values, operators: Operators) -> None:
        self._declared, self._values, self._operators = declared, values, operators
        self._lists: list[Step] = []
        """Steps that make list arguments of the next node."""

    def steps(self, node: Mapping[str, Any]) -> Iterator[Step]:
        """Steps of a node: its list arguments, its operator, the parts of its result."""
        if node["target"] in self._operators.idle:
            return
        by_keyword = {each["name"]: each["arg"] for each in node["inputs"] if each.get("kind") == BY_KEYWORD}
        positional = [self._argument(each["arg"]) for each in node["inputs"] if each.get("kind") != BY_KEYWORD]
        arguments = positional + [self._argument(arg) for arg in by_keyword.values()]
        call = self._call(node)
        if by_keyword:
            call = _with_keywords(call, len(positional), tuple(by_keyword))
        yield from self._lists
        self._lists = []
        if len(node["outputs"]) == 1:
            yield from self._results(call, arguments, node["outputs"][0])
            return
        # Several results, or none: a node without results is an assertion.
        together = self._values.add()
        yield Step(call, _selection(arguments), together)
        for number, output in enumerate(node["outputs"]):
            yield from self._results(operator.itemgetter(number), [together], output)

    def _call(self, node: Mapping[str, Any]) -> Callable[..., Any]:
        """Operator of a node."""
        target, outputs = node["target"], node["outputs"]
        if target in NUMBERS:
            return NUMBERS[target]
        single = outputs[0].get("as_tensor") if len(outputs) == 1 else None
        dtype = DTYPES[self._declared[single["name"]]["dtype"]] if single else None
        return self._operators.operator(target, dtype)

    def _results(self, call: Callable[..., Any], arguments: list[int], output: Mapping[str, Any]) -> Iterator[Step]:
        """Step of one result, and those of its parts if it is a list of tensors.

        Args:
            call: operator, or selection of one of several results.
            arguments: positions of its arguments.
            output: description of the result.
        """
        ((kind, value),) = output.items()
        parts = value if kind == "as_tensors" else ()
        name = None if kind in ("as_tensors", "as_none") else value["name" if kind == "as_tensor" else "as_name"]
        result = self._values.add(name=name)
        yield Step(call, _selection(arguments), result)
        for number, part in enumerate(parts):
            yield Step(operator.itemgetter(number), _selection([result]), self._values.add(name=part["name"]))

    def _argument(self, arg: Mapping[str, Any]) -> int:
        """Position of an argument.

        Raises:
            ValueError: a kind that towers do not have.
        """
        ((kind, value),) = arg.items()
        if kind in ("as_tensor", "as_sym_int", "as_sym_float", "as_sym_bool"):
            return self._named(value)
        if kind in ("as_tensors", "as_sym_ints", "as_optional_tensors"):
            parts = [self._named(each) for each in value]
            self._lists.append(Step(_listed, _selection(parts), self._values.add()))
            return self._lists[-1].result
        if kind == "as_none":
            return self._values.add()
        if kind in PLAIN:
            return self._values.add(value)
        if kind == "as_float":  # "Infinity" and "NaN" are stored as text
            return self._values.add(float(value))
        if kind == "as_floats":
            return self._values.add([float(each) for each in value])
        return self._values.add(self._operators.option(kind, value))

    def _named(self, value: Mapping[str, Any]) -> int:
        """Position of an argument with a name, or of a constant number instead."""
        for kind in ("name", "as_name"):
            if kind in value:
                return self._values.position(value[kind])
        ((kind, content),) = value.items()
        return self._argument({kind: {"name": content["name"]} if kind == "as_tensor" else content})


def _selection(positions: Sequence[int]) -> Callable[[list[Any]], Sequence[Any]]:
    """Selection of values by position."""
    if len(positions) > 1:
        return operator.itemgetter(*positions)
    # An item getter of one position gives no sequence; of a slice it does.
    start = positions[0] if positions else 0
    return operator.itemgetter(slice(start, start + len(positions)))


def _listed(*parts: Any) -> list[Any]:
    return list(parts)


def _with_keywords(call: Callable[..., Any], positional: int, names: tuple[str, ...]) -> Callable[..., Any]:
    """Operator that takes its keyword arguments behind the positional ones.

    Args:
        call: operator.
        positional: number of positional arguments.
        names: names of the others.
    """

    def called(*given: Any) -> Any:
        return call(*given[:positional], **dict(zip(names, given[positional:], strict=True)))

    return called
