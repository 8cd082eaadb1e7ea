"""`gatehouse serve`: the front process."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from feature_repo.events.base_note import kinds_reader, loaded_at
from feature_repo.items.reader import ItemReader
from serving.experiments.exposure_log import ExposureLog
from serving.experiments.read import YAML_NAME
from serving.http.access import Access, is_loopback
from serving.http.app import make_app
from serving.http.champion import ChampionReader, champion_read
from serving.http.consumer_watch import ConsumerWatch, consumer_command
from serving.http.engine_process import EngineProcess, engine_command
from serving.http.event_intake import EventIntake
from serving.http.experiments.definitions import Definitions
from serving.http.experiments.experiments import Experiments
from serving.http.experiments.exposures import ExposureWriter
from serving.http.item_intake import ItemIntake
from serving.http.lanes import Lanes
from serving.http.logs import log_to
from serving.http.metrics import Metrics, age_of
from serving.http.mover import ChampionMover, rollback_command
from serving.http.page.versions import VersionsReader, versions_read
from serving.http.second_engine import SecondEngine
from serving.http.service import Service
from serving.http.supervisor import Supervisor
from serving.http.tracing import Tracing, tracing_of
from serving.running import forget, note, service_name
from serving.service_settings import ServiceSettings, read_token
from serving.settings import Settings

logger = logging.getLogger(__name__)
KEEP_ALIVE_SECONDS = 75
BACKLOG = 512


def serve(
    settings: Settings,
    dataset: str,
    *,
    host: str,
    port: int,
    token_file: Path | None,
    consumer: bool,
    environ: Mapping[str, str],
    echo: Callable[[str], None],
) -> None:
    """Serve the champion of a dataset until Ctrl-C or SIGTERM; running requests are finished then.

    Args:
        settings: the home and its services.
        dataset: name of the dataset.
        host: address to listen on.
        port: port; 0 for any free one.
        token_file: file of the bearer token.
        consumer: whether this service brings events online.
        environ: variables of the service's settings.
        echo: told the address, and what begins to serve.

    Raises:
        ValueError: a setting or `experiments.yaml` cannot be used, or another host than loopback is to be served
            without a token.
        RuntimeError: the address cannot be listened on.
    """
    limits, token = ServiceSettings.from_environment(environ), read_token(environ, token_file)
    if token is None and not is_loopback(host):
        raise ValueError(
            f"--host {host} can be reached from other machines: wanted a bearer token, by --token-file FILE,"
            " GATEHOUSE_TOKEN_FILE or GATEHOUSE_TOKEN"
        )
    definitions = Definitions(settings.home / YAML_NAME, dataset)
    tracing, logs = tracing_of(environ), settings.home / "logs"
    with _listen(host, port) as listening:
        log_to(logs / "serve.log")
        made = _application(settings, dataset, definitions, limits, Access(token), tracing, consumer, echo)
        echo(f"{dataset}: {address(listening)}; logs are in {logs}; Ctrl-C ends it")
        with _noted(settings, dataset, address(listening)):
            _Server(_config(made, limits)).run([listening])
    echo("ended")


def _application(
    settings: Settings,
    dataset: str,
    definitions: Definitions,
    limits: ServiceSettings,
    access: Access,
    tracing: Tracing | None,
    consumer: bool,
    echo: Callable[[str], None],
) -> ASGIApp:
    """Put the application of a service together.

    Args:
        settings: the home and its services.
        dataset: name of the dataset.
        definitions: experiments of the home.
        limits: limits and times.
        access: check of the token.
        tracing: makes spans, where traces are wanted.
        consumer: whether this service brings events online.
        echo: told what begins to serve.
    """
    metrics, logs = Metrics(), settings.home / "logs"
    metrics.load_age.set_function(lambda: age_of(loaded_at(settings.feast_home, dataset)))

    async def start(version: int, *, is_preview: bool = False) -> EngineProcess:
        is_beside = service.supervisor.lane is not None
        command, log = engine_command(dataset, version, is_preview=is_preview, is_beside=is_beside), logs / "engine.log"
        times = {"start_seconds": limits.start_seconds, "answer_seconds": limits.answer_seconds}
        return await EngineProcess.start(command, log, **times)

    reader = ChampionReader(champion_read(settings, dataset))
    kinds = kinds_reader(settings.feast_home, dataset)
    events = EventIntake(lambda: settings.open_event_log(dataset), limits, metrics, kinds=kinds)
    store = settings.item_store(dataset)
    items = ItemIntake(lambda: settings.open_item_store(dataset), ItemReader(store), limits, metrics)
    watch = None
    if consumer:
        watch = ConsumerWatch(consumer_command(dataset), logs / "consumer.log", events, metrics, echo)
    service = Service(Supervisor(reader, start, limits, metrics, echo), limits, metrics, events, items, watch)
    second = SecondEngine(partial(start, is_preview=True), limits)
    lanes = Lanes(start, limits, metrics, echo)
    open_log = partial(ExposureLog, settings.exposure_log(dataset), is_shared=settings.shared_home)
    exposures = ExposureWriter(open_log, metrics)
    experiments = Experiments(service, definitions, lanes, exposures)
    versions = VersionsReader(versions_read(settings, dataset))
    mover = ChampionMover(partial(rollback_command, dataset), logs / "moves.log")
    return make_app(service, access, tracing, versions, second, experiments, mover)


@contextmanager
def _noted(settings: Settings, dataset: str, uri: str) -> Iterator[None]:
    """Note the service in the home for as long as it runs, so that commands find it."""
    name, pid = service_name(dataset), os.getpid()
    note(settings.home, name, pid, uri)
    try:
        yield
    finally:
        forget(settings.home, name, pid)


def _config(made: Any, limits: ServiceSettings) -> uvicorn.Config:
    """Configuration of the server of an application."""
    return uvicorn.Config(
        made,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # who asks is not looked at
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=round(limits.stop_seconds),
    )


def address(listening: socket.socket) -> str:
    """Address of a listening socket, for a browser."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


class _Server(uvicorn.Server):
    """Server whose end by a signal is an end like any other."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        with super().capture_signals():
            yield
            self._captured_signals.clear()  # or the signal would be raised again


def _listen(host: str, port: int) -> socket.socket:
    """Listen on an address. RuntimeError if that cannot be."""
    try:
        family, kind, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(where)
        listening.listen(BACKLOG)
    except OSError as error:
        raise RuntimeError(
            f"cannot listen on {host}, port {port} ({error.strerror}): another service may run there; choose"
            " another port with --port"
        ) from error
    return listening
