"""Opening of one version: verified, allowed to serve, and warm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta

from feature_repo.schema import Entity
from feature_repo.store.sqlite_online import open_store
from serving.engine.answerer import Answerer
from serving.engine.guarded_store import GuardedStore
from serving.engine.live_items import LiveItems
from serving.engine.low_priority import loaded
from serving.engine.stages import Stages
from serving.index.base import Fields
from serving.registry.sqlite import open_registry
from serving.release.collection import open_served_index
from serving.release.load import Release, check_may_serve
from serving.service_settings import ServiceSettings
from serving.settings import Settings

WARM_USERS, WARM_ITEMS = 8, 20


@contextmanager
def open_answerer(
    settings: Settings,
    service: ServiceSettings,
    dataset: str,
    version: int,
    stages: Stages,
    *,
    is_preview: bool = False,
    is_beside: bool = False,
) -> Iterator[Answerer]:
    """Yield the answerer of one version, and close its index at the end.

    Args:
        settings: the home and its services.
        service: limits of the service.
        dataset: name of the dataset.
        version: number of the version.
        stages: time by stage.
        is_preview: for a look of people: its verdict need not be passed.
        is_beside: whether another engine answers meanwhile.

    Raises:
        ReleaseError: the version does not verify, or may not serve.
        ItemStoreError: the new and hidden items cannot be read.
        AwayError: the online store does not answer.
    """
    # NumPy answers batches of the service's sizes as fast as PyTorch, and is there seconds sooner.
    release = loaded(lambda: Release.load(settings, dataset, version, quick_start=True), is_beside=is_beside)
    if not is_preview:
        check_may_serve(open_registry(settings, dataset), release.manifest)
    store = GuardedStore(
        lambda: open_store(
            release.schema, settings.feast_home, online=settings.online_store, registry=settings.feature_registry
        ),
        service.store_seconds,
        stages,
    )
    stale_after = timedelta(days=settings.features_behind_days)
    limited = replace(settings, search_seconds=service.search_seconds)
    with open_served_index(limited, release.manifest, Fields.of(release.schema)) as index:
        # Opened here: the thread of its reads must have the priority of the answers.
        users = store.known(Entity.USER)[:WARM_USERS]
        answerer = loaded(lambda: Answerer(release, store, index, stages, stale_after=stale_after), is_beside=is_beside)
        path, most = settings.item_store(dataset), service.max_new_items
        with closing(LiveItems(path, release, answerer.judged, most=most)) as live:
            answerer.offer.follow(live)
            with store.opening():
                _warm(answerer, [*users, "nobody"])
            yield answerer


def _warm(answerer: Answerer, users: Sequence[str]) -> None:
    """Answer some users, so that no client waits for a first call."""
    empty = {"op": "recommend", "k": WARM_ITEMS, "where": None, "exclude": (), "exclude_seen": False, "session": ()}
    for batch in ([users[0]], users):
        broken = [each for each in answerer.answer([{**empty, "user_id": user} for user in batch]) if "error" in each]
        if broken:
            raise RuntimeError(f"the first answers fail: {broken[0]['error']['message']}")
