"""The release: its manifest, its loading, and the moves of the champion."""

from serving.release.load import Release
from serving.release.manifest import Manifest, ReleaseError
from serving.release.promotion import promote, promote_challenger, rollback

__all__ = ["Manifest", "Release", "ReleaseError", "promote", "promote_challenger", "rollback"]
