"""The probe of a service's port."""

from __future__ import annotations

import socket

import pytest

from serving.probe import listens


def test_a_port_answers_as_long_as_its_server_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert listens(uri)
    assert not listens(uri)


@pytest.mark.parametrize("uri", ["postgresql://host/database", "sqlite:///a/file.db"])
def test_an_address_without_a_port_is_left_to_its_client(uri: str) -> None:
    assert listens(uri)
