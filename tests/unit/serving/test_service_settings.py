"""Limits and token of the service out of the environment."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path

import pytest

from serving.service_settings import ServiceSettings, read_token

PAGE = Path(__file__).parents[3] / "docs" / "operations" / "serving.md"
TOKEN = "0123456789abcdef"


def test_fields_are_read_and_the_others_keep_their_default() -> None:
    read = ServiceSettings.from_environment({"GATEHOUSE_SERVE": '{"max_k": 7, "wait_seconds": 1}'})
    assert asdict(read) == asdict(ServiceSettings()) | {"max_k": 7, "wait_seconds": 1}
    assert ServiceSettings.from_environment({}) == ServiceSettings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_k=7", "wanted JSON such as"),
        ("[1]", "got list"),
        ('{"max_kk": 7}', "no field 'max_kk'; there are max_k, "),
        ('{"max_k": 0}', "max_k is 0, wanted a positive whole number"),
        ('{"max_k": 1.5}', "max_k is 1.5, wanted a positive whole number"),
        ('{"max_k": true}', "max_k is True, wanted a positive whole number"),
        ('{"wait_seconds": "1"}', "wait_seconds is '1', wanted a positive number"),
    ],
)
def test_what_cannot_be_used_is_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match="GATEHOUSE_SERVE=") as error:
        ServiceSettings.from_environment({"GATEHOUSE_SERVE": text})
    assert message in str(error.value)


def test_every_limit_is_documented_with_its_default() -> None:
    told = PAGE.read_text(encoding="utf-8")
    for each in fields(ServiceSettings):
        assert f"| `{each.name}` | {each.default:g} |" in told.replace("1000000", "1e+06"), each.name


def test_the_token_of_the_option_comes_first_then_the_file_of_the_environment(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("option", "file")}
    for name, file in files.items():
        file.write_text(f"{name}-{TOKEN}\n")
    environ = {"GATEHOUSE_TOKEN": f"own-{TOKEN}", "GATEHOUSE_TOKEN_FILE": str(files["file"])}
    assert read_token(environ, files["option"]) == f"option-{TOKEN}"
    assert read_token(environ) == f"file-{TOKEN}"
    del environ["GATEHOUSE_TOKEN_FILE"]
    assert read_token(environ) == f"own-{TOKEN}"
    assert read_token({}) is None


@pytest.mark.parametrize("text", ["", "short", "0123456789abcde", f"two {TOKEN}", "é" * 20])
def test_a_weak_token_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="at least 16 ASCII characters"):
        read_token({"GATEHOUSE_TOKEN": text})
