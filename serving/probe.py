"""Probe of a service: does its port accept connections?"""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}
SECONDS = 1.0


def listens(uri: str) -> bool:
    """Connect to the address.

    True as well if it names no port: its client knows the port and will say.
    """
    address = urlsplit(uri)
    port = address.port or PORTS.get(address.scheme)
    if address.hostname is None or port is None:
        return True
    try:
        with socket.create_connection((address.hostname, port), timeout=SECONDS):
            return True
    except OSError:
        return False
