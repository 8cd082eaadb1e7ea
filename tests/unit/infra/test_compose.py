"""infra/compose.yaml follows the specification, names settings that exist, and holds no secret."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from serving.settings import Settings

INFRA = Path(__file__).parents[3] / "infra"
COMPOSE = INFRA / "compose.yaml"
ENDS = {"bucket", "home", "run", "backup"}
"""Services that do their work and end."""


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    return found


def secrets() -> set[str]:
    lines = (INFRA / "example.env").read_text(encoding="utf-8").splitlines()
    return {line.removesuffix("=") for line in lines if line.endswith("=")}


def defaults(text: str) -> str:
    """Text with the defaults of its variables."""
    return re.sub(r"\$\{\w+:-(\w+)\}", r"\1", text)


def test_it_follows_the_specification(tmp_path: Path) -> None:
    pytest.importorskip("check_jsonschema", reason="requirements-dev.lock")
    path = tmp_path / "compose.json"
    path.write_text(json.dumps(yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))))  # with its anchors resolved
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout


def test_every_service_that_stays_is_asked_for_its_health(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert ("healthcheck" in service) == (name not in ENDS), name


def test_dependencies_and_volumes_are_declared(services: dict[str, dict[str, Any]]) -> None:
    volumes = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["volumes"].keys()
    for name, service in services.items():
        assert service.get("depends_on", {}).keys() <= services.keys() - {name}
        for source, *_ in (defaults(volume).split(":") for volume in service.get("volumes", ())):
            assert (COMPOSE.parent / source).exists() if source.startswith(".") else source in volumes, source
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] == ("service_completed_successfully" if other in ENDS else "service_healthy")


def test_the_settings_are_read(services: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    for package in ("psycopg", "dagster_postgres", "boto3"):
        pytest.importorskip(package, reason="requirements-dev.lock")
    settings = Settings.from_environment({"GATEHOUSE_HOME": str(tmp_path), **services["serve"]["environment"]})
    assert settings.mlflow_uri.endswith("/mlflow")
    assert settings.feature_registry and settings.feature_registry.endswith("/features")
    assert settings.dagster_storage and settings.dagster_storage.endswith("/dagster")
    assert settings.online_store == {"type": "redis", "connection_string": "redis:6379"}
    hosts = {"postgres", "redis", "objects", "milvus"}
    assert hosts <= services.keys()
    assert all(any(host in str(value) for value in services["serve"]["environment"].values()) for host in hosts)
    databases = (INFRA / "postgres" / "create-databases.sh").read_text(encoding="utf-8")
    assert "for database in mlflow features dagster;" in databases


def test_no_secret_stands_in_a_file(services: dict[str, dict[str, Any]]) -> None:
    assert secrets() == {
        "PGPASSWORD",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "GATEHOUSE_TOKEN",
        "GRAFANA_PASSWORD",
        "GATEHOUSE_ALERT_WEBHOOK",
    }
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|KEY|TOKEN|MINIO_ROOT_USER", variable):
                assert re.fullmatch(r"\$\{(\w+):\?.*\}", str(value)), (name, variable)
            assert not re.search(r"//[^/@]*:[^/@]*@", str(value)), (name, variable)
    assert "infra/.env" in (INFRA.parent / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_nothing_is_open_to_the_network(services: dict[str, dict[str, Any]]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_files_of_the_user_can_be_read_where_runs_are(services: dict[str, dict[str, Any]]) -> None:
    """And where Dagster's sensors look whether new ones have come."""
    for name in ("run", "dagster-daemon", "dagster-webserver"):
        assert "${GATEHOUSE_LANDING:-landing}:/data:ro" in services[name]["volumes"], name


def test_a_backup_is_one_command_and_a_restore_finds_an_empty_home(services: dict[str, dict[str, Any]]) -> None:
    backup = services["backup"]
    assert backup["entrypoint"] == ["python", "-m", "infra.backup"]
    assert backup["volumes"] == [services["serve"]["volumes"][0], "backups:/backups"]
    assert backup["env_file"] == services["serve"]["env_file"]
    assert backup["profiles"] and backup["restart"] == "no"  # `up` starts none
    # What fills the home would be in the way of a restore.
    fills = {name for name, each in services.items() if each.get("entrypoint", [])[-1:] == ["orchestration.local.home"]}
    assert fills == {"home"}
    needed, found = set(backup["depends_on"]), set[str]()
    while needed - found:
        found |= needed
        needed |= {other for name in found for other in services[name].get("depends_on", {})}
    assert found == {"postgres", "objects"}
