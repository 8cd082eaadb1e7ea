"""Folders of derived data in a bucket: whole or not there, whoever is killed.

The files of a folder are objects named by their hashes; its list, written last, names
them. So an upload that was killed or done twice is no harm, and of two homes that build
the same folder at once each one's list is whole.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, TypedDict
from urllib.parse import urlsplit

LIST = ".list.json"
"""Suffix of the list of a folder's files."""
FOLDER = re.compile(r"[^/]+/[0-9a-f]{12}")
"""Name of a folder with all below it."""
FILE = re.compile(rf"{FOLDER.pattern}/.*(/[0-9a-f]{{64}}|{re.escape(LIST)})")
"""Name of an object that a store has written: no other is ever removed."""
CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 5, 60, 3


class FileFacts(TypedDict):
    """One file of a list."""

    sha256: str
    bytes: int


class FolderStoreError(ConnectionError):
    """Bucket that cannot be read or written now, or whose content is not what was stored."""


@dataclass(frozen=True, kw_only=True)
class StoredFolder:
    """All that the bucket has of one folder of a dataset, whole or not."""

    path: Path
    """The folder on this machine, which may lack it."""
    bytes: int
    changed: datetime
    """Time of the last upload (UTC, with zone)."""


class FolderStore:
    """The folders below a root, in a bucket of S3 or of a server that speaks it.

    Every method raises FolderStoreError if the bucket is away.
    """

    def __init__(self, address: str, root: Path) -> None:
        """Make a store; nothing is asked yet.

        Args:
            address: s3://bucket or s3://bucket/prefix. The server and the keys are the AWS_* variables.
            root: folder that the names of the folders are relative to.
        """
        where = urlsplit(address)
        self.address, self._root, self._bucket = address, root, where.netloc
        self._prefix = where.path.strip("/") and where.path.strip("/") + "/"
        self._opened: Any = None

    def check(self) -> None:
        """Check that the bucket answers."""
        with self._named("read"):
            self._client.head_bucket(Bucket=self._bucket)

    def has(self, folder: Path) -> bool:
        """Whether a folder is there as a whole."""
        return self._list_of(self._name(folder)) is not None

    def keep(self, folder: Path) -> bool:
        """Upload a folder of this machine unless it is there; returns whether it was uploaded."""
        if self.has(folder):
            return False
        name = self._name(folder)
        files: dict[str, FileFacts] = {}
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            found = _facts(path)
            with self._named("written"):
                self._client.upload_file(str(path), self._bucket, self._key(name, found["sha256"]))
            files[path.relative_to(folder).as_posix()] = found
        with self._named("written"):
            self._client.put_object(Bucket=self._bucket, Key=self._key(name), Body=json.dumps(files).encode())
        return True

    def fetch(self, folder: Path, target: Path) -> bool:
        """Download a folder.

        Args:
            folder: the folder.
            target: an empty folder that its files are written to.

        Returns:
            Whether it is there as a whole. A list without its files is removed, so that `keep` uploads them again.

        Raises:
            FolderStoreError: a file is not what was stored, or has a path outside.
        """
        name = self._name(folder)
        files = self._list_of(name)
        for relative, wanted in (files or {}).items():
            path = target / _inside(relative)
            path.parent.mkdir(parents=True, exist_ok=True)
            if not self._download(self._key(name, wanted["sha256"]), path):
                with self._named("written"):
                    self._client.delete_object(Bucket=self._bucket, Key=self._key(name))
                shutil.rmtree(target)
                target.mkdir()
                return False
            got = _facts(path)
            if got != wanted:
                raise FolderStoreError(
                    f"{self.address}: {relative} of {name} is not what was stored (got {got}, wanted {wanted}): delete "
                    f"the object {self._key(name)}, and the folder is made again"
                )
        return files is not None

    def folders(self, dataset: str) -> list[StoredFolder]:
        """List the folders of a dataset, each with all folders below it; what others have put there is left out."""
        found: dict[str, list[dict[str, Any]]] = {}
        for each in self._own(f"{dataset}/"):
            found.setdefault(each["Key"].removeprefix(self._prefix).split("/")[1], []).append(each)
        return [
            StoredFolder(
                path=self._root / dataset / name,
                bytes=sum(each["Size"] for each in objects),
                changed=max(each["LastModified"] for each in objects),
            )
            for name, objects in sorted(found.items())
        ]

    def remove(self, folder: Path) -> None:
        """Remove a folder of `folders` with all below it; the lists go first. ValueError for any other."""
        name = self._name(folder)
        if not FOLDER.fullmatch(name):
            raise ValueError(f"{name} is no folder of {self.address} that can be removed: wanted dataset/hash")
        keys = [each["Key"] for each in self._own(f"{name}/")]
        for key in sorted(keys, key=lambda key: not key.endswith(LIST)):
            with self._named("written"):
                self._client.delete_object(Bucket=self._bucket, Key=key)

    @property
    def _client(self) -> Any:
        if self._opened is None:
            import boto3
            from botocore.config import Config

            retries = {"max_attempts": ATTEMPTS, "mode": "standard"}
            config = Config(connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries=retries)
            self._opened = boto3.client("s3", config=config)
        return self._opened

    def _list_of(self, name: str) -> dict[str, FileFacts] | None:
        from botocore.exceptions import ClientError

        with self._named("read"):
            try:
                body = self._client.get_object(Bucket=self._bucket, Key=self._key(name))["Body"].read()
            except ClientError as error:
                if error.response["Error"]["Code"] == "NoSuchKey":
                    return None
                raise
        found: dict[str, FileFacts] = json.loads(body)
        return found

    def _download(self, key: str, path: Path) -> bool:
        """Download an object, if it is there."""
        from botocore.exceptions import ClientError

        with self._named("read"):
            try:
                self._client.download_file(self._bucket, key, str(path))
            except ClientError as error:
                if error.response["Error"]["Code"] not in ("404", "NoSuchKey"):
                    raise
                return False
        return True

    def _own(self, below: str) -> Iterator[dict[str, Any]]:
        """Objects below a name, without those that this module has not written, such as the markers of a console."""
        return (each for each in self._objects(below) if FILE.fullmatch(each["Key"].removeprefix(self._prefix)))

    def _objects(self, below: str) -> Iterator[dict[str, Any]]:
        with self._named("read"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + below
            )
            for page in pages:
                yield from page.get("Contents", ())

    def _name(self, folder: Path) -> str:
        return folder.relative_to(self._root).as_posix()

    def _key(self, name: str, sha256: str | None = None) -> str:
        return f"{self._prefix}{name}/{sha256}" if sha256 else f"{self._prefix}{name}{LIST}"

    @contextmanager
    def _named(self, done: str) -> Iterator[None]:
        """Raise what the client raises with the address and the way out."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError, Boto3Error) as error:
            raise FolderStoreError(
                f"{self.address} cannot be {done} ({error}): does its server run, is the bucket there, and do"
                " AWS_ENDPOINT_URL and the keys name them? GATEHOUSE_DATA names the bucket"
            ) from error


def _facts(path: Path) -> FileFacts:
    with path.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "bytes": path.stat().st_size}


def _inside(relative: str) -> str:
    """Refuse a path that leads out of the folder: whoever writes to the bucket shall write nowhere else."""
    path = PurePosixPath(relative)
    if path.is_absolute() or ".." in path.parts or "\\" in relative:
        raise FolderStoreError(f"the bucket names a file outside its folder: {relative!r}")
    return relative
