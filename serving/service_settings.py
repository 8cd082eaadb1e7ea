"""Settings of `gatehouse serve`: limits, times, and the token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

MIN_TOKEN = 16
"""Fewest characters of a token."""


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """Limits and times of the service."""

    max_k: int = 1_000
    """Most items of an answer."""
    max_users: int = 100
    """Most users of a request."""
    max_excluded: int = 1_000
    """Most items that a request leaves out."""
    max_events: int = 500
    """Most events of a request."""
    max_items: int = 100
    """Most new items of a request."""
    max_new_items: int = 10_000
    """Most new items of a release; further ones wait for the next run."""
    max_body_bytes: int = 1_000_000
    """Longest body of a request."""
    batch_users: int = 32
    """Most users that are answered in one batch of the engine, if they come from several requests."""
    queue_users: int = 256
    """Most users that wait or are being answered; further requests get 503."""
    wait_seconds: float = 2.0
    """Longest wait in the queue; then 503."""
    queue_events: int = 10_000
    """Most events that wait for the disk; further requests get 503."""
    answer_seconds: float = 30.0
    """Longest time of a batch; then the engine is started again."""
    store_seconds: float = 0.5
    """Longest read of the online store; then popular items."""
    search_seconds: float = 2.0
    """Longest search of Milvus, where it searches; then popular items."""
    second_engine_seconds: float = 120.0
    """Time without a question after which the second engine, of the page's comparison, ends."""
    poll_seconds: float = 1.0
    """Time between two looks for a new champion."""
    variant_engines: int = 3
    """Most engines of variants and shadows beside the champion's."""
    variant_seconds: float = 1.0
    """Longest wait for the answer of a variant; then the champion's."""
    start_seconds: float = 240.0
    """Longest time that a release takes to load."""
    stop_seconds: float = 30.0
    """Longest time that running requests have at the end of the service."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> ServiceSettings:
        """Read GATEHOUSE_SERVE: a JSON object with the fields above.

        ValueError if it cannot be used; the message names the field.
        """
        text = environ.get("GATEHOUSE_SERVE")
        if not text:
            return cls()
        try:
            found = json.loads(text)
        except json.JSONDecodeError as error:
            raise _unusable(text, f"{error}") from error
        if not isinstance(found, dict):
            raise _unusable(text, f"got {type(found).__name__}")
        whole = {each.name: isinstance(each.default, int) for each in fields(cls)}
        for name, value in found.items():
            if name not in whole:
                raise _unusable(text, f"no field {name!r}; there are {', '.join(whole)}")
            if type(value) not in ((int,) if whole[name] else (int, float)) or value <= 0:
                raise _unusable(text, f"{name} is {value!r}, wanted a positive {'whole ' if whole[name] else ''}number")
        return cls(**found)


def read_token(environ: Mapping[str, str], file: Path | None = None) -> str | None:
    """Read the bearer token: of a file, else of GATEHOUSE_TOKEN_FILE or GATEHOUSE_TOKEN.

    None without any.

    Raises:
        ValueError: an empty or too short token.
        OSError: the file cannot be read.
    """
    path = file or environ.get("GATEHOUSE_TOKEN_FILE")
    text = Path(path).read_text(encoding="utf-8") if path else environ.get("GATEHOUSE_TOKEN")
    if text is None:
        return None
    token = text.strip()
    if len(token) < MIN_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError(
            f"the token of {path or 'GATEHOUSE_TOKEN'} has {len(token)} characters: wanted at least {MIN_TOKEN} ASCII"
            " characters without spaces, such as those of `openssl rand -hex 32`"
        )
    return token


def _unusable(text: str, problem: str) -> ValueError:
    shown = text if len(text) <= 200 else f"{text[:200]}…"
    return ValueError(
        f'GATEHOUSE_SERVE={shown!r}: wanted JSON such as {{"max_k": 500, "queue_users": 128}} ({problem})'
    )
