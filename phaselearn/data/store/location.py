"""From what a user calls the place of a store to its storage."""

from __future__ import annotations

from pathlib import Path

from phaselearn.data.store.storage import LocalStorage, Storage
from phaselearn.errors import UserError


def open_storage(path: str | Path) -> Storage:
    """Return the storage of a path or an `s3://BUCKET/FOLDER` URL; nothing needs to be there.

    Raises:
        UserError: a URL of another kind, no package for object storage, or no credentials.
    """
    scheme, separator, rest = str(path).partition("://")
    if not separator:
        return LocalStorage(Path(path))
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket or not prefix.strip("/"):
        raise UserError(
            f"data.store={path}: a path or s3://BUCKET/FOLDER is needed, e.g. "
            "`phaselearn prepare data.store=s3://my-bucket/pairs.zarr`"
        )
    # A bucket needs a package that not everybody has.
    from phaselearn.data.store.bucket import BucketStorage

    return BucketStorage(bucket, prefix.strip("/"))


def store_path(path: str | Path) -> Path | str:
    """Return the name of a storage as given: a URL stays a text, a path becomes one."""
    return str(path) if "://" in str(path) else Path(path)
