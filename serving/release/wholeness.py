"""Verification of all that a version serves with, before it becomes the champion.

A champion that cannot be loaded would stop serving.
"""

from __future__ import annotations

import logging

from feature_repo.schema import Schema
from serving.index.base import Fields
from serving.index.lite_files import open_index
from serving.index.milvus_connection import IndexAwayError
from serving.pt2 import refuse_code
from serving.registry import Registry
from serving.release.collection import check_stored, load_collection
from serving.release.freshness import FeatureRule, check_fresh
from serving.release.load import check_contents
from serving.release.manifest import Manifest, ReleaseError, verified_files
from serving.settings import Settings
from serving.variables import MILVUS

logger = logging.getLogger(__name__)


def check_whole(
    settings: Settings, registry: Registry, manifest: Manifest, features: FeatureRule = check_fresh
) -> None:
    """Verify the files, the programs, the online features and the collection of a version.

    Args:
        settings: the home and its services.
        registry: registry of the dataset.
        manifest: manifest of the version.
        features: how old its online features may be.

    Raises:
        FeaturesBehindError: by that rule its online features are to be loaded first; all else is whole.
        ReleaseError: something is missing, was changed or is old, or cannot be verified.
        UnsafeArchiveError: a program could run code while being loaded.
    """
    files = verified_files(registry.download(manifest.version), manifest)
    for name in (name for name in files if name.endswith(".pt2")):
        refuse_code(files[name], name)
    schema = Schema.from_json(files["schema.json"].decode())
    if manifest.collection_sha256:
        check_stored(manifest, load_collection(registry, manifest))
    _check_index(settings, manifest, Fields.of(schema))
    features(settings, manifest, schema)  # last: nothing is loaded for a version that is broken


def _check_index(settings: Settings, manifest: Manifest, fields: Fields) -> None:
    """Compare the collection in the store of record.

    Where Milvus is away, the verified file is enough for what searches in the file. A rollback cannot wait for Milvus.
    """
    try:
        with open_index(settings, fields, manifest.collection) as index:
            check_contents(index, manifest)
    except IndexAwayError as error:
        if settings.search == MILVUS or not manifest.collection_sha256:
            raise ReleaseError(
                f"{manifest.dataset} version {manifest.version} would search in Milvus, which is away: {error}"
            ) from error
        logger.warning("version %s moves by its verified file alone: %s", manifest.version, error)
