"""Services of production for tests, each a real server on loopback: Postgres with its databases, and S3."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest

from tests.integration.online_servers import Server, client_of, free_port, postgres_server, running

BUCKET = "gatehouse"


@contextmanager
def postgres_databases(*names: str) -> Iterator[dict[str, str]]:
    """Address by name of new databases on a Postgres of their own, without the scheme."""
    client_of("postgres")
    import psycopg

    with postgres_server() as server:
        place = f"gatehouse@127.0.0.1:{server.port}"
        with psycopg.connect(f"postgresql://{place}/postgres", autocommit=True) as connection:
            for name in names:
                connection.execute(f"CREATE DATABASE {name}".encode())
        yield {name: f"{place}/{name}" for name in names}


def s3_command(port: int) -> list[str]:
    """Command of an S3 server, which keeps its objects in memory."""
    return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]


@contextmanager
def s3_bucket() -> Iterator[str]:
    """Address of an empty bucket on an S3 server of its own, which the environment names."""
    for package in ("moto", "boto3"):
        pytest.importorskip(package, reason=f"no {package} is installed (requirements-dev.lock)")
    import boto3

    port = free_port()
    with running(Server(s3_command(port), port, {})), patch.dict(os.environ, s3_variables(port)):
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield f"s3://{BUCKET}/artifacts"


def s3_variables(port: int) -> dict[str, str]:
    """Variables that lead the clients of S3 to a server of this machine."""
    uri = f"http://127.0.0.1:{port}"
    return {
        "AWS_ENDPOINT_URL": uri,
        "MLFLOW_S3_ENDPOINT_URL": uri,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
