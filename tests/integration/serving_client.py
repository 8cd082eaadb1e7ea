"""A client that asks a running service without a pause."""

from __future__ import annotations

import json
import time
from http.client import HTTPConnection, HTTPException
from itertools import count
from threading import Event, Thread
from typing import Any

from tests.integration.serving_world import SECONDS, Served

USERS = [f"user{n:02}" for n in range(6)]


class Client(Thread):
    """A client that asks in a loop over one connection that it keeps."""

    def __init__(self, served: Served, number: int) -> None:
        super().__init__()
        self._connection = HTTPConnection(served.address.removeprefix("http://"), timeout=60)
        self._number, self._stop_asking = number, Event()
        self.answers: list[dict[str, Any]] = []
        self.problems: list[str] = []

    def run(self) -> None:
        self._connection.connect()
        opened = self._connection.sock
        for turn in count(self._number):
            if self._stop_asking.is_set():
                break
            try:
                self._ask(turn)
            except (OSError, HTTPException, ValueError) as error:
                self.problems.append(repr(error))
            if self._connection.sock is not opened:
                self.problems.append("the connection was closed")
                break

    def _ask(self, turn: int) -> None:
        if turn % 8:
            self._connection.request("GET", f"/v1/recommendations/{USERS[turn % len(USERS)]}?k=5")
        else:
            asked = json.dumps({"user_ids": USERS, "k": 5})
            self._connection.request("POST", "/v1/recommendations", asked, {"Content-Type": "application/json"})
        reply = self._connection.getresponse()
        told = json.loads(reply.read())
        if reply.status != 200:
            self.problems.append(str(told))
        elif {each["version"] for each in told.get("answers", [told])} != {told["version"]}:
            self.problems.append(f"mixed: {told}")
        else:
            self.answers.append(told)

    def wait(self, version: int) -> None:
        """Wait for an answer of a version."""
        deadline = time.monotonic() + SECONDS
        while not self.answers or self.answers[-1]["version"] != version:
            assert time.monotonic() < deadline
            assert not self.problems, self.problems[:3]
            time.sleep(0.01)

    def stop(self) -> None:
        self._stop_asking.set()
        self.join()
        self._connection.close()
