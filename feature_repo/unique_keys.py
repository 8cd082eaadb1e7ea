"""YAML in which a key stands once: the later of two would hide what the earlier one asks for."""

from __future__ import annotations

from typing import Any


def read_yaml(text: str) -> Any:
    """Read a YAML text.

    Raises:
        ValueError: a mapping has a key twice.
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

    return yaml.load(text, UniqueKeys)
