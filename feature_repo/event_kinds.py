"""Kinds of events of a dataset, and what each counts as in training; no other import."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from feature_repo.errors import InputError


class Role(StrEnum):
    """Role of a kind of event in training."""

    INTERACTION = "interaction"
    """A positive of training, and part of the user's features."""
    IMPRESSION = "impression"
    """An item that was shown."""
    IGNORED = "ignored"
    """Kept in the log for other readers."""


Kinds = tuple[tuple[str, Role], ...]
"""Kinds by name, each with its role."""
DEFAULT_KINDS: Kinds = (
    ("view", Role.INTERACTION),
    ("click", Role.INTERACTION),
    ("purchase", Role.INTERACTION),
    ("impression", Role.IMPRESSION),
)
MAX_KINDS = 50
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def read_kinds(raw: Mapping[str, str], where: str) -> Kinds:
    """Check the kinds of a description.

    Args:
        raw: role by kind.
        where: name in errors.

    Raises:
        InputError: a name or a role that cannot be used, or no interaction.
    """
    for name, role in raw.items():
        check_name(name, where)
        if role not in list(Role):
            raise InputError(f"{where}: kind {name!r} is {role!r}; wanted one of {', '.join(Role)}")
    if len(raw) > MAX_KINDS:
        raise InputError(f"{where}: {len(raw)} kinds; wanted at most {MAX_KINDS}")
    if Role.INTERACTION not in raw.values():
        raise InputError(f"{where}: no kind is an {Role.INTERACTION}; wanted one at least, to learn from")
    return tuple((name, Role(role)) for name, role in raw.items())


def check_name(raw: Any, where: str) -> str:
    """Return the name of a kind; InputError for what can be none."""
    if not isinstance(raw, str) or not _NAME.fullmatch(raw):
        raise InputError(f"{where}: kind {raw!r}; wanted up to 64 lower-case letters, digits and underscores")
    return raw


def of_role(kinds: Kinds, role: Role) -> list[str]:
    """Names of the kinds that have a role."""
    return [name for name, its in kinds if its is role]
