"""The storage at a path or URL that a user gives."""

from __future__ import annotations

from pathlib import Path

from phaselearn.data.store.storage import LocalStorage, Storage
from phaselearn.errors import UserError


def open_storage(path: str | Path) -> Storage:
    """Return the storage of a path or of `s3://BUCKET/FOLDER`; nothing needs to be there.

    Raises:
        UserError: a URL of another kind, or the package for object storage is missing.
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
    # Imported here, since it needs a package that not everybody has installed.
    from phaselearn.data.store.bucket import BucketStorage

    return BucketStorage(bucket, prefix.strip("/"))


def store_path(path: str | Path) -> Path | str:
    """Return a path as a `Path`, and a URL as it is."""
    return str(path) if "://" in str(path) else Path(path)
