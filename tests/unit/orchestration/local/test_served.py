"""Services of the datasets of a home: which, on which ports."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from orchestration.local.served import ServedDatasets
from serving.settings import Settings


def home_with(home: Path, *names: str) -> Settings:
    for name in names:
        (home / "data" / name).mkdir(parents=True, exist_ok=True)
    return Settings.from_environment({"GATEHOUSE_HOME": str(home)})


def test_the_last_run_dataset_has_the_first_port_and_the_others_the_next_free_ones(tmp_path: Path) -> None:
    settings = home_with(tmp_path, "films", "shop", "tunes")
    (tmp_path / "current").write_text("shop")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        served = ServedDatasets(settings, port - 1, taken=[port + 1])
        services = served.further()
    assert [each.title for each in services] == ["shop", "films", "tunes"]
    ports = [each.port for each in services]
    assert ports == sorted(set(ports))
    assert not {port, port + 1} & set(ports)
    assert served.further() == []
    home_with(tmp_path, "books")
    (later,) = served.further()
    assert later.title == "books"
    assert later.port not in ports


def test_without_a_free_port_the_option_is_named(tmp_path: Path) -> None:
    served = ServedDatasets(home_with(tmp_path, "shop"), 65_535, taken=[65_535])
    with pytest.raises(RuntimeError, match=r"no port from 65535 on is free.*--serve-port"):
        served.further()
