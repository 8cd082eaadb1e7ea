"""Access to the service: by a bearer token, or on loopback by this machine's own names."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping

FORM = "/page/token"
"""Form that asks for the token."""
OPEN = ("/healthz", "/readyz", FORM, "/page/static/page.css")
"""Routes that need no token; without one, they say no more than yes or no."""
COOKIE = "gatehouse_page"
"""Cookie of the page, which opens it and nothing else."""


class Access:
    """Check of the headers of a request.

    Args:
        token: the token; None if the service listens on loopback only.
    """

    def __init__(self, token: str | None) -> None:
        self._token = token.encode() if token else None
        self.cookie = hmac.digest(self._token, b"page", "sha256").hex() if self._token else ""
        """Value of the page's cookie, from which the token cannot be found."""

    @property
    def needs_token(self) -> bool:
        """Whether a token is asked for."""
        return self._token is not None

    def is_trusted(self, headers: Mapping[bytes, bytes], path: str = "") -> bool:
        """Whether a request has the token, or for the page its cookie, or needs none."""
        if self._token is None:
            # A page of another site may have its own name point at this machine.
            return is_loopback(_host(headers.get(b"host", b"")))
        if is_of_page(path) and hmac.compare_digest(_cookie(headers.get(b"cookie", b"")), self.cookie.encode()):
            return True
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        return scheme.lower() == b"bearer" and self.is_token(given.strip())

    def is_token(self, given: bytes) -> bool:
        """Whether this is the token."""
        return self._token is not None and hmac.compare_digest(given, self._token)


def is_of_page(path: str) -> bool:
    """Whether a path is of the page."""
    return path == "/" or path.startswith("/page/")


def _cookie(header: bytes) -> bytes:
    """Value of the page's cookie in a Cookie header; empty without it."""
    pairs = (part.strip().partition(b"=") for part in header.split(b";"))
    return next((value for name, _, value in pairs if name == COOKIE.encode()), b"")


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
