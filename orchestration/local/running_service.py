"""Answers of the service that runs on this home, for `gatehouse recommend`.

An answer counts only if it is the one that this process would give: whole, and by the champion.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from serving.answer import Recommendations, Recommended
from serving.registry.sqlite import open_registry
from serving.running import service_name
from serving.service_settings import read_token
from serving.settings import Settings

SECONDS = 1.0
"""Longest wait for an answer: alone, this process needs little more."""
_ITEM = [field.name for field in fields(Recommended)]
"""Keys of an item that count here; the service tells more."""


class NoAnswerError(RuntimeError):
    """The service gives no answer that counts; the message is the reason."""


def ask_service(
    settings: Settings, dataset: str, user: str, k: int, where: str | None, environ: Mapping[str, str]
) -> tuple[Recommendations, str]:
    """Ask the service of a dataset for the champion's answer.

    Args:
        settings: the home.
        dataset: name of the dataset.
        user: the user.
        k: number of items.
        where: filter; None for all items.
        environ: variables that may name the service's token.

    Returns:
        The answer, and the address of the service.

    Raises:
        NoAnswerError: no service runs, it does not answer, or its answer does not count.
    """
    address = settings.running(service_name(dataset))
    if address is None:
        raise NoAnswerError("no service runs")
    # A command is no user: it takes no part in an experiment, and asks for the champion.
    asked = {"user_ids": [user], "k": k, "filter": where, "experiment": False}
    (told,) = _post(f"{address}/v1/recommendations", asked, read_token(environ))["answers"]
    if "degraded" in told["flags"]:
        raise NoAnswerError(f"the service at {address} is degraded: {told['flags']['degraded']}")
    champion = open_registry(settings, dataset).champion()
    if told["version"] != champion:
        raise NoAnswerError(f"the service at {address} serves version {told['version']}, the champion is {champion}")
    return _recommendations(told), address


def _recommendations(told: Mapping[str, Any]) -> Recommendations:
    times = {name: told[name] and datetime.fromisoformat(told[name]) for name in ("features_as_of", "newest_row")}
    return Recommendations(
        user_id=told["user_id"],
        version=told["version"],
        source=told["source"],
        items=tuple(Recommended(**{name: item[name] for name in _ITEM if name in item}) for item in told["items"]),
        notes=tuple(told["notes"]),
        **times,
    )


def _post(uri: str, body: Any, token: str | None) -> Any:
    """Answer to a question. NoAnswerError if there is none."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(uri, json.dumps(body).encode(), headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never by a proxy: it is this machine
    try:
        with opener.open(request, timeout=SECONDS) as response:
            return json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            raise NoAnswerError(f"{uri} refused: {json.loads(error.read())['error']}") from error
    except (OSError, ValueError) as error:
        raise NoAnswerError(f"{uri} gave no answer ({error})") from error
