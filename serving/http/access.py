"""Who may ask: a bearer token, and on loopback without one only what this machine's own names address."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping

OPEN = ("/healthz", "/readyz")
"""Routes that need no token; without one, they say no more than yes or no."""


class Access:
    """Check of the headers of a request.

    Args:
        token: the token; None if the service listens on loopback only.
    """

    def __init__(self, token: str | None) -> None:
        self._token = token.encode() if token else None

    @property
    def needs_token(self) -> bool:
        """Whether a token is asked for."""
        return self._token is not None

    def is_trusted(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a request has the token, or needs none."""
        if self._token is None:
            # A page of another site may have its own name point at this machine.
            return is_loopback(_host(headers.get(b"host", b"")))
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), self._token)


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host(header: bytes) -> str:
    """Host of a Host header without its port."""
    text = header.decode("latin-1").lower()
    return text[1:].partition("]")[0] if text.startswith("[") else text.partition(":")[0]
