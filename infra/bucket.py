"""Copy of a bucket to a folder and back, for backups.

    python -m infra.bucket save s3://bucket FOLDER
    python -m infra.bucket load s3://bucket FOLDER

The address and the keys of the server are the AWS_* variables.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


def main(action: str, address: str, folder: str) -> None:
    """Copy in one direction, and print the number of objects.

    Args:
        action: `save`, from the bucket to the folder, or `load`, from the folder to the bucket.
        address: address of the bucket, with or without a prefix.
        folder: the folder.

    Raises:
        SystemExit: another action was asked for.
    """
    import boto3

    if action not in ("save", "load"):
        raise SystemExit(__doc__)
    where = urlsplit(address)
    copy = save if action == "save" else load
    count = copy(boto3.client("s3"), where.netloc, where.path.strip("/"), Path(folder))
    print(f"{action}: {count} objects of {address}")  # noqa: T201


def save(client: Any, bucket: str, prefix: str, folder: Path) -> int:
    """Download all objects below a prefix; objects that are gone from the bucket leave the folder.

    Args:
        client: client of S3.
        bucket: name of the bucket.
        prefix: start of the keys; empty for all.
        folder: folder of the copy.

    Returns:
        Number of objects.

    Raises:
        RuntimeError: a key leads out of the folder.
    """
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
    for key in keys:
        path = folder / key
        if not path.resolve().is_relative_to(folder.resolve()):
            raise RuntimeError(
                f"the bucket {bucket} has an object {key!r}, whose name leads out of the folder: delete it"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        client.download_file(bucket, key, str(path))
    for path in {path for path in folder.rglob("*") if path.is_file()} - {folder / key for key in keys}:
        path.unlink()
    return len(keys)


def load(client: Any, bucket: str, prefix: str, folder: Path) -> int:
    """Upload all files of a folder; the bucket is made if it is missing.

    Args:
        client: client of S3.
        bucket: name of the bucket.
        prefix: start of the keys that are uploaded; empty for all.
        folder: folder of the copy.

    Returns:
        Number of objects.
    """
    if bucket not in {each["Name"] for each in client.list_buckets()["Buckets"]}:
        client.create_bucket(Bucket=bucket)
    keys = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    wanted = [key for key in keys if key.startswith(prefix)]
    for key in wanted:
        client.upload_file(str(folder / key), bucket, key)
    return len(wanted)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
