"""Dagster's launcher on Kubernetes: the job that it would create fits the schemas, and the rest of the manifests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

import pytest
import yaml

from orchestration.local.home import DAGSTER_YAML, prepare_home
from serving.settings import Settings
from serving.variables import DAGSTER_STORAGE
from tests.unit.infra.test_kubernetes import FOLDER, KUSTOMIZATION, VERSION, by_name, check_container

INSTANCE = FOLDER / "instance" / "dagster.yaml"


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Manifest of the job that a run becomes, as the launcher hands it to the cluster."""
    launchers = pytest.importorskip("dagster_k8s.launcher", reason="requirements-dev.lock")
    import kubernetes
    from dagster import DagsterInstance
    from dagster._core.code_pointer import ModuleCodePointer
    from dagster._core.launcher import LaunchRunContext
    from dagster._core.origin import DEFAULT_DAGSTER_ENTRY_POINT, JobPythonOrigin, RepositoryPythonOrigin

    from orchestration.definitions import defs

    home = tmp_path_factory.mktemp("dagster")
    config = yaml.safe_load(INSTANCE.read_text(encoding="utf-8"))
    del config["storage"]  # in the home: its Postgres is tried elsewhere
    (home / "dagster.yaml").write_text(yaml.safe_dump(config))
    repository = RepositoryPythonOrigin(
        executable_path=sys.executable,
        code_pointer=ModuleCodePointer("orchestration.definitions", "defs"),
        entry_point=DEFAULT_DAGSTER_ENTRY_POINT,
    )
    with patch.object(launchers, "load_kubernetes_config"), DagsterInstance.from_config(str(home)) as instance:
        launcher = instance.run_launcher
        run = instance.create_run_for_job(
            defs.resolve_job_def("release_job"),
            job_code_origin=JobPythonOrigin(job_name="release_job", repository_origin=repository),
        )
        with patch.object(launcher, "_api_client", Mock()) as client:
            launcher.launch_run(LaunchRunContext(dagster_run=run, workspace=None))
        ((_, asked),) = client.create_namespaced_job_with_retries.call_args_list
    assert asked["namespace"] == KUSTOMIZATION["namespace"]
    found: dict[str, Any] = kubernetes.client.ApiClient().sanitize_for_serialization(asked["body"])
    return found


def test_the_job_fits_its_schema(job: dict[str, Any]) -> None:
    kubernetes = pytest.importorskip("kubernetes_validate", reason="requirements-dev.lock")
    kubernetes.validate(job, VERSION, strict=True)


def test_it_runs_what_the_image_has(job: dict[str, Any]) -> None:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    (image,) = KUSTOMIZATION["images"]
    assert container["image"] == f"{image['newName']}:{image['newTag']}"
    # By a program that runs its arguments: the image's entry point is `gatehouse`.
    assert container["command"] == ["/usr/bin/env"]
    assert container["args"][:3] == ["dagster", "api", "execute_run"]


def test_its_pod_is_restricted_and_asks_the_cluster_for_nothing(job: dict[str, Any]) -> None:
    spec = job["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] == 10001
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == ("gatehouse", False)
    (container,) = spec["containers"]
    check_container(container)


def test_it_has_the_home_and_the_settings_of_the_other_pods(job: dict[str, Any]) -> None:
    spec = job["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    others = by_name()["CronJob/release"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert [each for each in spec["volumes"] if each["name"] in ("home", "landing", "scratch")] == others["volumes"]
    assert container["volumeMounts"] == others["containers"][0]["volumeMounts"]
    assert container["resources"] == others["containers"][0]["resources"]
    generated = {each["name"]: each for each in KUSTOMIZATION["configMapGenerator"]}
    secret, found = container["envFrom"]  # the last counts
    settings = found["configMapRef"]["name"]
    # Its name stands in a file, which kustomize does not read; its content is that of the other pods.
    assert generated[settings]["options"] == {"disableNameSuffixHash": True}
    assert generated[settings]["envs"] == generated["settings"]["envs"]
    assert secret == {"secretRef": {"name": "gatehouse"}}
    assert {"name": "DAGSTER_HOME", "value": "/var/lib/gatehouse/dagster"} in container["env"]


def test_the_home_of_each_of_dagsters_pods_has_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (generated,) = (each for each in KUSTOMIZATION["configMapGenerator"] if each["name"] == "dagster-instance")
    assert [FOLDER / name for name in generated["files"]] == [INSTANCE]
    for name in ("Deployment/dagster-webserver", "Deployment/dagster-daemon"):
        spec = by_name()[name]["spec"]["template"]["spec"]
        (first,) = spec["initContainers"]
        assert {"name": "GATEHOUSE_DAGSTER_YAML", "value": f"/etc/gatehouse/{INSTANCE.name}"} in first["env"]
        assert {"name": "instance", "mountPath": "/etc/gatehouse", "readOnly": True} in first["volumeMounts"]
        assert {"name": "instance", "configMap": {"name": "dagster-instance"}} in spec["volumes"]
    variables = {"GATEHOUSE_HOME": str(tmp_path), DAGSTER_STORAGE: "postgresql+psycopg2://gatehouse@postgres/dagster"}
    for name in ("DAGSTER_HOME", "GATEHOUSE_HOME"):
        monkeypatch.setenv(name, "")  # both are set by what follows, and put back
    for given in ({}, {"GATEHOUSE_DAGSTER_YAML": str(INSTANCE)}, {}):  # a pod without the file changes nothing
        prepare_home(Settings.from_environment({**variables, **given}))
    assert (tmp_path / "dagster" / "dagster.yaml").read_text() == INSTANCE.read_text()


def test_ticks_are_kept_as_long_as_in_any_home() -> None:
    assert (
        yaml.safe_load(INSTANCE.read_text(encoding="utf-8"))["retention"] == yaml.safe_load(DAGSTER_YAML)["retention"]
    )


def test_a_run_in_a_pod_of_its_own_is_not_marked_as_failed() -> None:
    """`gatehouse run` in a CronJob has no job of the launcher, and a launched one whose job is gone has failed."""
    pytest.importorskip("dagster_k8s", reason="requirements-dev.lock")
    from dagster import DagsterRun
    from dagster._core.launcher.base import WorkerStatus

    from orchestration.kubernetes import RunLauncher

    config = yaml.safe_load(INSTANCE.read_text(encoding="utf-8"))["run_launcher"]
    assert (config["module"], config["class"]) == (RunLauncher.__module__, RunLauncher.__name__)
    launcher = RunLauncher.__new__(RunLauncher)
    assert launcher.check_run_worker_health(DagsterRun(job_name="release_job")).status is WorkerStatus.RUNNING
    launched = Mock(spec=DagsterRun, remote_job_origin=Mock())
    with patch("dagster_k8s.K8sRunLauncher.check_run_worker_health", return_value="asked of the cluster"):
        assert launcher.check_run_worker_health(launched) == "asked of the cluster"


def test_its_account_may_do_what_the_launcher_does_and_no_more() -> None:
    role, binding = by_name()["Role/launch-runs"], by_name()["RoleBinding/launch-runs"]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [each["name"] for each in binding["subjects"]] == ["dagster"]
    allowed = {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    needed = {("jobs", "create"), ("jobs", "delete"), ("jobs", "list"), ("jobs/status", "get"), ("pods", "list")}
    assert needed | {("pods", "delete"), ("pods/log", "get"), ("events", "list")} <= allowed
    assert not {resource for resource, _ in allowed} & {"secrets", "configmaps", "deployments", "pods/exec", "*"}
