"""The services over HTTP of `gatehouse up`: one for each dataset of the home, those of later runs too."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from orchestration.local.datasets import dataset_names
from orchestration.local.servers import HOST, SERVE_PORT, http_service
from orchestration.local.supervise import Service
from serving.settings import Settings

MOST_PORT = 65_535


class ServedDatasets:
    """Datasets of a home and their services.

    Args:
        settings: the home.
        port: port of the first dataset's service.
        taken: ports of the other services.
    """

    def __init__(self, settings: Settings, port: int, taken: Iterable[int | None]) -> None:
        self._settings, self._port, self._taken = settings, port, set(taken)
        self._served: set[str] = set()

    @property
    def first(self) -> tuple[int, str, str]:
        """Port of the first service, its title and its option, as of `check_ports`."""
        return self._port, "the service", SERVE_PORT

    def further(self) -> list[Service]:
        """Return the services of the datasets that were not there at the last call."""
        new = [name for name in dataset_names(self._settings) if name not in self._served]
        self._served |= set(new)
        return [http_service(self._settings, name, self._next_port()) for name in new]

    def _next_port(self) -> int:
        """Take the first port, then the next one that nobody listens on.

        RuntimeError if there is none.
        """
        for port in range(self._port, MOST_PORT + 1):
            if port not in self._taken and _is_free(port):
                self._taken.add(port)
                return port
        raise RuntimeError(f"no port from {self._port} on is free for another dataset: choose a lower {SERVE_PORT}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
