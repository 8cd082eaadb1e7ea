"""The manifests fit the schemas of Kubernetes, and one another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from serving.settings import Settings

FOLDER = Path(__file__).parents[3] / "infra" / "kubernetes"
VERSION = "1.31"
"""Version of the schemas."""
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))


def manifests() -> list[dict[str, Any]]:
    texts = [(FOLDER / name).read_text(encoding="utf-8") for name in KUSTOMIZATION["resources"]]
    return [each for text in texts for each in yaml.safe_load_all(text)]


def named(manifest: dict[str, Any]) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def pods() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Name, labels and specification of each pod that a manifest makes."""
    for manifest in manifests():
        spec = manifest.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template:
            yield named(manifest), template["metadata"]["labels"], template["spec"]


def by_name() -> dict[str, dict[str, Any]]:
    return {named(manifest): manifest for manifest in manifests()}


@pytest.mark.parametrize("manifest", manifests(), ids=named)
def test_a_manifest_fits_its_schema(manifest: dict[str, Any]) -> None:
    kubernetes = pytest.importorskip("kubernetes_validate", reason="requirements-dev.lock")
    kubernetes.validate(manifest, VERSION, strict=True)


def test_every_file_is_a_resource() -> None:
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert files == set(KUSTOMIZATION["resources"])
    assert not {each["kind"] for each in manifests()} & {"Secret", "ConfigMap"}  # made by hand, and generated


def test_every_pod_is_restricted() -> None:
    for name, _, spec in pods():
        own = spec["securityContext"]
        assert own["runAsNonRoot"] and own["runAsUser"] == 10001, name
        assert own["seccompProfile"] == {"type": "RuntimeDefault"}, name
        # Only what launches runs has a token of the cluster.
        assert spec["automountServiceAccountToken"] is (spec["serviceAccountName"] == "dagster"), name
        assert (spec["serviceAccountName"] == "dagster") == ("dagster" in name), name
        for container in [*spec["containers"], *spec.get("initContainers", ())]:
            check_container(container)


def check_container(container: dict[str, Any]) -> None:
    """Hold a container to the restricted profile, and to bounds of memory."""
    rights = container["securityContext"]
    assert not rights["allowPrivilegeEscalation"] and rights["readOnlyRootFilesystem"], container["name"]
    assert rights["capabilities"] == {"drop": ["ALL"]}, container["name"]
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}, container["name"]
    assert "memory" in container["resources"]["limits"], container["name"]


def test_a_backup_lies_in_a_folder_of_its_own_and_returns_from_there() -> None:
    kubernetes = pytest.importorskip("kubernetes_validate", reason="requirements-dev.lock")
    restore = yaml.safe_load((FOLDER / "once" / "restore.yaml").read_text(encoding="utf-8"))
    kubernetes.validate(restore, VERSION, strict=True)
    saving = by_name()["CronJob/backup"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    pod = restore["spec"]["template"]["spec"]
    assert pod["volumes"] == saving["volumes"] and pod["securityContext"] == saving["securityContext"]
    assert "PersistentVolumeClaim/backups" in by_name()
    (saves,), (restores,) = saving["containers"], pod["containers"]
    check_container(restores)
    assert saves["command"] == ["python", "-m", "infra.backup", "save", "/backups/$(JOB_NAME)"]
    assert [each["name"] for each in saves["env"]] == ["JOB_NAME"]
    assert restores["command"][:-1] == ["python", "-m", "infra.backup", "restore"]
    assert restores["command"][-1].startswith("/backups/backup-")
    (image,) = KUSTOMIZATION["images"]
    assert restores["image"] == f"{image['newName']}:{image['newTag']}"
    assert restores["envFrom"][0] == {"secretRef": {"name": "gatehouse"}}  # the settings count more
    settings = {source["configMapRef"]["name"] for source in restores["envFrom"][1:]}
    fixed = {each["name"] for each in KUSTOMIZATION["configMapGenerator"] if "options" in each}
    assert settings <= fixed  # the names of the others end with a hash


def test_settings_and_secrets_come_from_outside() -> None:
    generated = KUSTOMIZATION["configMapGenerator"][0]
    for name, _, spec in pods():
        claims = {each["name"]: each.get("persistentVolumeClaim", {}).get("claimName") for each in spec["volumes"]}
        assert f"PersistentVolumeClaim/{claims['home']}" in by_name(), name
        for container in [*spec["containers"], *spec.get("initContainers", ())]:
            # The last counts: the Secret, made of Compose's file, may name another dataset.
            sources = [{"secretRef": {"name": "gatehouse"}}, {"configMapRef": {"name": generated["name"]}}]
            assert container["envFrom"] == sources, name
            assert container["image"] in {image["name"] for image in KUSTOMIZATION["images"]}, name
            assert {mount["name"] for mount in container["volumeMounts"]} <= claims.keys(), name


def test_files_of_the_user_can_be_read_where_runs_are() -> None:
    """And where Dagster's sensors look whether new ones have come."""
    assert "PersistentVolumeClaim/landing" in by_name()
    found = set()
    for name, _, spec in pods():
        claims = {each["name"]: each.get("persistentVolumeClaim", {}).get("claimName") for each in spec["volumes"]}
        mounts = [mount for container in spec["containers"] for mount in container["volumeMounts"]]
        if {"name": "landing", "mountPath": "/data", "readOnly": True} in mounts:
            assert claims["landing"] == "landing", name
            found.add(name)
    assert found == {"CronJob/release", "Deployment/dagster-daemon", "Deployment/dagster-webserver"}


def test_the_settings_are_read(tmp_path: Path) -> None:
    for package in ("psycopg", "dagster_postgres", "boto3"):
        pytest.importorskip(package, reason="requirements-dev.lock")
    lines = (FOLDER / "settings.env").read_text(encoding="utf-8").splitlines()
    settings = Settings.from_environment(
        {"GATEHOUSE_HOME": str(tmp_path), **dict(line.split("=", 1) for line in lines)}
    )
    assert settings.kafka and settings.online_store and settings.milvus_server
    assert settings.shared_home  # its pods are on several nodes
    assert settings.dagster_storage and settings.feature_registry and settings.artifacts and settings.data


def test_the_service_is_probed_scaled_and_kept_up() -> None:
    found = by_name()
    serve = found["Deployment/serve"]["spec"]["template"]
    (container,) = serve["spec"]["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert "--no-consumer" in container["args"]  # the one consumer is a pod of its own
    assert found["Deployment/consumer"]["spec"]["replicas"] == 1
    target = found["HorizontalPodAutoscaler/serve"]["spec"]["scaleTargetRef"]
    assert f"{target['kind']}/{target['name']}" in found
    assert "replicas" not in found["Deployment/serve"]["spec"]  # an apply would undo the scaling
    token = {"name": "gatehouse", "key": "GATEHOUSE_TOKEN"}
    assert {"name": "GATEHOUSE_TOKEN", "valueFrom": {"secretKeyRef": token}} in container["env"]


def test_every_selector_finds_pods() -> None:
    labels = [found for _, found, _ in pods()]
    selectors = [
        each["spec"]["selector"].get("matchLabels", each["spec"]["selector"])
        for each in manifests()
        if each["kind"] in ("Service", "Deployment", "PodDisruptionBudget")
    ]
    assert len(selectors) == 7
    assert all(any(selector.items() <= found.items() for found in labels) for selector in selectors)
