"""The name of a home among those that share a registry."""

from __future__ import annotations

import socket

from serving.settings import Settings

HOLDER = "gatehouse.holder"
"""Tag of a lock, and of a training: the home that it is of."""


def holder(settings: Settings) -> str:
    """Name of a home among those that share a registry."""
    return f"{socket.gethostname()}:{settings.home}"
