"""Opening of the champion, with its own online features and its own collection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from feature_repo.items.reader import ItemReader
from feature_repo.store.sqlite_online import open_store
from serving.index.base import Fields
from serving.release.collection import open_served_index
from serving.release.load import Release
from serving.retriever import Retriever
from serving.settings import Settings


@contextmanager
def open_retriever(settings: Settings, dataset: str) -> Iterator[Retriever]:
    """Yield the retriever of the champion, without hidden items, and close its index at the end.

    ReleaseError without a champion.
    """
    release = Release.load(settings, dataset, quick_start=True)
    store = open_store(
        release.schema, settings.feast_home, online=settings.online_store, registry=settings.feature_registry
    )
    with open_served_index(settings, release.manifest, Fields.of(release.schema)) as index:
        retriever = Retriever(release, store, index)
        with closing(ItemReader(settings.item_store(dataset))) as reader:
            hidden = reader.hidden()
        yield retriever.with_items(None, {*store.withdrawn_items(), *hidden}) if hidden else retriever
