"""Settings of alerts: the channels, and where their secrets are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

WEBHOOK, MAIL, PASSWORD = "GATEHOUSE_ALERT_WEBHOOK", "GATEHOUSE_ALERT_MAIL", "GATEHOUSE_ALERT_MAIL_PASSWORD"
_EXAMPLE = '{"host": "smtp.example.com", "from": "gatehouse@example.com", "to": ["team@example.com"]}'


class SecretError(ValueError):
    """A secret that cannot be used; the message does not show it."""


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A text that no log shows, or the file that holds it."""

    text: str | None = field(default=None, repr=False)
    file: Path | None = None

    @classmethod
    def of(cls, environ: Mapping[str, str], name: str) -> Secret | None:
        """Secret of a variable, or of the file that the variable with _FILE names; None without either."""
        text, file = environ.get(name), environ.get(f"{name}_FILE")
        return cls(text=text, file=Path(file) if file else None) if text or file else None

    def read(self) -> str:
        """Read the secret; the file each time, because secrets are changed.

        Raises:
            SecretError: it is empty.
            OSError: the file cannot be read.
        """
        text = (self.file.read_text(encoding="utf-8") if self.file else self.text or "").strip()
        if not text:
            raise SecretError(f"{self.file or 'the variable'} is empty: wanted a secret")
        return text


@dataclass(frozen=True, kw_only=True)
class Mail:
    """Server, sender and receivers of alerts by mail."""

    host: str
    sender: str
    receivers: tuple[str, ...]
    port: int = 587
    user: str | None = None
    """Name to log in with; None for a server that asks for none."""
    password: Secret | None = None


@dataclass(frozen=True, kw_only=True)
class AlertSettings:
    """Channels of alerts beside the log."""

    webhook: Secret | None = None
    """Address that takes `{"text": …}`, as Slack's incoming webhooks do; whoever knows it can write."""
    mail: Mail | None = None
    seconds: float = 10.0
    """Longest time that an alert takes, in all."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> AlertSettings:
        """Read GATEHOUSE_ALERT_WEBHOOK, GATEHOUSE_ALERT_MAIL and GATEHOUSE_ALERT_MAIL_PASSWORD.

        Raises:
            ValueError: a variable cannot be used; the message names it, and shows no secret.
        """
        webhook = Secret.of(environ, WEBHOOK)
        if webhook and webhook.text and not webhook.file:
            check_webhook(webhook.text)
        return cls(webhook=webhook, mail=_mail(environ))


def check_webhook(address: str) -> str:
    """Return the address of a webhook, if it is one.

    Raises:
        SecretError: it is none.
    """
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and address.isprintable()
        # A user and password before the host are sent by no client that posts here; a port may be no number.
        usable = usable and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        usable = False
    if not usable or " " in address:
        raise SecretError(f"{WEBHOOK}: wanted an address such as https://hooks.slack.com/services/… (not shown here)")
    return address


def _mail(environ: Mapping[str, str]) -> Mail | None:
    text = environ.get(MAIL)
    if not text:
        return None
    try:
        found: dict[str, Any] = json.loads(text)
    except json.JSONDecodeError as error:
        raise _unusable(str(error)) from error
    if not isinstance(found, dict):
        raise _unusable(f"got {type(found).__name__}")
    names = {"from": "sender", "to": "receivers"}
    known = {each.name for each in fields(Mail)} - {"password", *names.values()} | set(names)
    if unknown := set(found) - known:
        raise _unusable(f"no field {sorted(unknown)[0]!r}; there are {', '.join(sorted(known))}")
    _check(found)
    given: dict[str, Any] = {names.get(name) or name: value for name, value in found.items()} | {
        "receivers": tuple(found["to"])
    }
    return Mail(**given, password=Secret.of(environ, PASSWORD))


def _check(found: Mapping[str, Any]) -> None:
    """Check what the fields hold: a line break in one would write further headers."""
    texts = {name: found.get(name) for name in ("host", "from", *(("user",) if "user" in found else ()))}
    to, port = found.get("to"), found.get("port", 587)
    if not isinstance(to, list) or not to or len(to) > 100:
        raise _unusable("to: wanted a list of one to a hundred addresses")
    for name, value in [*texts.items(), *(("to", each) for each in to)]:
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise _unusable(f"{name}: wanted a text of one line")
    if type(port) is not int or not 0 < port < 65_536:
        raise _unusable(f"port is {port!r}: wanted a number up to 65535")


def _unusable(problem: str) -> ValueError:
    return ValueError(f"{MAIL}: wanted JSON such as {_EXAMPLE} ({problem})")
