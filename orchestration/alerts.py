"""Alerts to people: the log always, a webhook and mail where the settings name them."""

from __future__ import annotations

import json
import logging
import smtplib
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from datetime import datetime
from email.message import EmailMessage
from typing import Any

from orchestration.unsent_alerts import Unsent, keep, note_taken, waiting
from serving.alert_settings import AlertSettings, Mail, Secret, SecretError, check_webhook
from serving.settings import Settings

SUBJECT_LENGTH, TEXT_LENGTH = 200, 4_000
"""Longest subject and text that are sent; Slack cuts longer messages."""
AGAIN_SECONDS = 30.0
"""Time of one round that sends alerts again: Dagster ends a look after a minute."""
SUBMISSION_OVER_TLS = 465
"""Port whose connections are encrypted from the first byte [RFC 8314]."""
_log = logging.getLogger(__name__)


def alert(settings: Settings, subject: str, text: str) -> tuple[str, ...]:
    """Tell people of something that they should look at.

    It takes `AlertSettings.seconds` at most. An alert that cannot be sent is logged, fails no work, and is kept for
    `send_again`.

    Args:
        settings: the home's settings, which name the channels.
        subject: one line.
        text: what happened, and what to do.

    Returns:
        Names of the channels, beside the log, that have taken it.
    """
    subject, text = _shortened(" ".join(subject.split()), SUBJECT_LENGTH), _shortened(text.strip(), TEXT_LENGTH)
    _log.warning("%s\n%s", subject, text)
    channels = _channels(settings.alerts, subject, text)
    taken = _send(channels, settings.alerts.seconds)
    if missing := tuple(sorted(channels.keys() - set(taken))):
        keep(settings, Unsent(subject, text, missing))
    return taken


def send_again(settings: Settings, now: datetime) -> str:
    """Send what channels have not taken yet, the oldest first.

    It begins no further one after `AGAIN_SECONDS`: what is left is tried the next time.

    Args:
        settings: the home's settings, which name the channels.
        now: the present time, naive UTC.

    Returns:
        What was done, in words.
    """
    sent, tried, end = 0, 0, time.monotonic() + AGAIN_SECONDS
    for path, unsent in waiting(settings, now):
        if time.monotonic() > end:
            break
        channels = _channels(settings.alerts, unsent.subject, unsent.text)
        wanted = {name: send for name, send in channels.items() if name in unsent.channels}
        # A channel that the settings do not name any more is waited for no longer.
        taken = _send(wanted, settings.alerts.seconds) + tuple(set(unsent.channels) - channels.keys())
        sent, tried = sent + note_taken(path, unsent, taken), tried + 1
    return f"{sent} of {tried} alerts sent again" if tried else "every alert was sent"


def _send(channels: Mapping[str, Callable[[], None]], seconds: float) -> tuple[str, ...]:
    """Send by some channels at once; return those that have taken it in time.

    Args:
        channels: what sends, by the channel's name.
        seconds: longest time.
    """
    taken: list[str] = []
    threads: list[threading.Thread] = []
    for name, send in channels.items():
        # A name that does not resolve keeps no timeout: so the deadline is kept here.
        threads.append(threading.Thread(target=_try, args=(name, send, taken), daemon=True, name=f"alert by {name}"))
        threads[-1].start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            _log.error("%s: not sent within %g s", thread.name, seconds)
    return tuple(sorted(taken))


def _channels(alerts: AlertSettings, subject: str, text: str) -> dict[str, Callable[[], None]]:
    """Name the channels of the settings, each with what sends the alert."""
    found: dict[str, Callable[[], None]] = {}
    if (webhook := alerts.webhook) is not None:
        found["webhook"] = lambda: post(webhook, subject, text, alerts.seconds)
    if (mail := alerts.mail) is not None:
        found["mail"] = lambda: send_mail(mail, subject, text, alerts.seconds)
    return found


def _try(name: str, send: Callable[[], None], taken: list[str]) -> None:
    try:
        send()
    except Exception as error:  # noqa: BLE001 - an alert fails no work, whatever a server answers
        # Of an unforeseen error only the class is told: its text may hold the address.
        told = str(error) if isinstance(error, OSError | smtplib.SMTPException | SecretError) else type(error).__name__
        _log.error("alert by %s: not sent: %s", name, told)
    else:
        taken.append(name)


def post(webhook: Secret, subject: str, text: str, seconds: float) -> None:
    """Post an alert to a webhook, in the form of Slack's.

    Args:
        webhook: its address.
        subject: one line.
        text: what happened.
        seconds: longest wait for each answer.

    Raises:
        OSError: it cannot be reached, or refuses.
        SecretError: its file holds no address.
    """
    # Slack reads <!channel> and links in what names of items and files may hold.
    plain = f"*{_escaped(subject)}*\n{_escaped(text)}"
    body = json.dumps({"text": plain}).encode()
    request = urllib.request.Request(check_webhook(webhook.read()), body, {"Content-Type": "application/json"})
    with urllib.request.build_opener(_NoRedirect).open(request, timeout=seconds):
        pass


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refusal of redirects: the address is a secret, and its answer is no other address."""

    def redirect_request(self, *_: Any) -> None:
        return None


def send_mail(mail: Mail, subject: str, text: str, seconds: float) -> None:
    """Send an alert by mail, encrypted where the server offers it.

    Args:
        mail: server, sender and receivers.
        subject: one line.
        text: what happened.
        seconds: longest wait for each answer.

    Raises:
        OSError: the server cannot be reached, has no valid certificate, or would get a password in clear text.
        SMTPException: it refuses.
        SecretError: the password is empty.
    """
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, mail.sender, ", ".join(mail.receivers)
    message.set_content(text)
    context = ssl.create_default_context()
    if mail.port == SUBMISSION_OVER_TLS:
        server: smtplib.SMTP = smtplib.SMTP_SSL(mail.host, mail.port, timeout=seconds, context=context)
    else:
        server = smtplib.SMTP(mail.host, mail.port, timeout=seconds)
    with server:
        server.ehlo()
        encrypted = isinstance(server, smtplib.SMTP_SSL)
        if not encrypted and server.has_extn("starttls"):
            server.starttls(context=context)
            encrypted = True
        if mail.user:
            if not encrypted:
                raise OSError(f"{mail.host} offers no encryption: the password is not sent in clear text")
            server.login(mail.user, mail.password.read() if mail.password else "")
        server.send_message(message)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
