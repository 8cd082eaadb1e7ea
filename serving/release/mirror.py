"""The Milvus alias, which mirrors the champion for readers outside Gatehouse.

Nothing in Gatehouse reads it. It may lag behind the champion for a moment, and a failure to move it undoes nothing.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from serving.index.base import Fields
from serving.index.milvus import MilvusIndex
from serving.registry.sqlite import open_registry
from serving.release.history import may_serve
from serving.release.manifest import alias_name, collection_name
from serving.settings import Settings

logger = logging.getLogger(__name__)
LITE_WAIT_SECONDS = 2.0
"""Longest wait of a promotion for a Milvus Lite folder that another process holds."""


def mirror_alias(settings: Settings, dataset: str) -> str | None:
    """Point the Milvus alias at the champion's collection.

    Args:
        settings: the home and its services.
        dataset: name of the dataset.

    Returns:
        What was changed, in words; None if nothing was.

    Raises:
        LookupError: there is no such collection.
        RuntimeError: Milvus is away, or another process holds its folder.
    """
    registry = open_registry(settings, dataset)
    champion = registry.champion()
    if champion is None or not may_serve(registry.tags(champion)):
        return None
    alias, wanted = alias_name(dataset), collection_name(dataset, champion)
    with MilvusIndex(settings, Fields(types={})) as index:
        found = index.target(alias)
        if found == wanted:
            return None
        index.point(alias, wanted)
    return f"the Milvus alias {alias} points at {wanted}, before at {found or 'nothing'}"


def try_to_mirror(settings: Settings, dataset: str) -> str | None:
    """Mirror the champion if Milvus can be had at once.

    Returns:
        Why it was not mirrored; None if it was. The sensor `milvus_alias` does it later.
    """
    from pymilvus.exceptions import MilvusException

    try:
        mirror_alias(replace(settings, lite_wait_seconds=LITE_WAIT_SECONDS), dataset)
    except (MilvusException, RuntimeError, LookupError, ValueError, OSError) as error:
        logger.warning("the Milvus alias of %s does not follow the champion yet: %s", dataset, error)
        return str(error)
    return None
