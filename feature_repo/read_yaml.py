"""YAML of people, bounded, in which a key stands once: the later of two would hide what the earlier one asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import yaml

MOST_VALUES = 100_000
"""Values of a text, each alias counted as what it stands for: a few lines of aliases can stand for billions."""


def read_yaml(text: str) -> Any:
    """Read a YAML text.

    Raises:
        ValueError: a mapping has a key twice, or the text is nested too deeply or too large.
        yaml.YAMLError: it is no YAML.
    """
    import yaml

    class UniqueKeys(yaml.SafeLoader):
        """Plain YAML, whose mappings are looked at before they are built."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            """Build a mapping."""
            lines: dict[str, int] = {}
            for key, _ in node.value:
                name, line = str(key.value), key.start_mark.line + 1
                if name in lines:
                    raise ValueError(f"{name} in line {line} is there already, in line {lines[name]}; wanted it once")
                lines[name] = line
            return super().construct_mapping(node, deep)

    loader = UniqueKeys(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _values(node, {}) > MOST_VALUES:
            raise ValueError(f"more than {MOST_VALUES:,} values, with its aliases written out")
        return loader.construct_document(node)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    finally:
        loader.dispose()


def _values(node: yaml.Node, known: dict[int, int]) -> int:
    """Count the values of a node, each alias as what it stands for.

    Args:
        node: the node.
        known: counts of nodes that were counted already, by their identity.
    """
    if id(node) not in known:
        parts = node.value if isinstance(node.value, list) else []
        known[id(node)] = 1 + sum(
            _values(each, known) for part in parts for each in (part if isinstance(part, tuple) else (part,))
        )
    return known[id(node)]
