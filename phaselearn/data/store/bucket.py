"""Stores in a bucket of an object storage with the interface of S3.

Credentials, region and endpoint come from the usual environment variables: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL; AWS_SKIP_SIGNATURE=true reads a public bucket without
credentials. After server errors (5xx) and broken connections a request is repeated, with growing pauses.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

import zarr.storage
from zarr.abc.store import Store

from phaselearn.data.store.lease import Lease
from phaselearn.data.store.removal import removal_order
from phaselearn.data.store.storage import Storage
from phaselearn.errors import UserError
from phaselearn.locks import Lock

if TYPE_CHECKING:
    from obstore.store import RetryConfig, S3Store

T = TypeVar("T")

_PARTIAL = ".partial"
_CLAIMS = ".claims"
_COPIES_AT_ONCE = 16
_RETRIES: RetryConfig = {"max_retries": 8, "retry_timeout": timedelta(seconds=90)}
_process_of_client: int | None = None


class BucketStorage(Storage):
    """The objects of a bucket below a prefix.

    Args:
        bucket: name of the bucket.
        prefix: beginning of the keys, without a slash at its ends.

    Raises:
        UserError: the package obstore is missing.
    """

    def __init__(self, bucket: str, prefix: str) -> None:
        try:
            import obstore  # noqa: F401
        except ImportError as error:
            raise UserError(
                f"s3://{bucket}/{prefix} needs the package obstore: `pip install 'phaselearn[s3]'`"
            ) from error
        self.bucket = bucket
        self.prefix = prefix
        self.path: str = f"s3://{bucket}/{prefix}"

    def __getstate__(self) -> dict[str, Any]:
        return {"bucket": self.bucket, "prefix": self.prefix, "path": self.path}

    @cached_property
    def _client(self) -> S3Store:
        return self._open(None)

    def _open(self, prefix: str | None) -> S3Store:
        from obstore.store import S3Store

        global _process_of_client
        _check_process(self.path)
        _process_of_client = os.getpid()
        plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
        return S3Store(
            self.bucket, prefix=prefix, client_options={"allow_http": plain, "timeout": "60s"}, retry_config=_RETRIES
        )

    def _ask(self, request: Callable[[], T]) -> T:
        _check_process(self.path)
        try:
            return request()
        except Exception as error:
            told = self.not_damage(error)
            if told is None:
                raise
            raise told from error

    def _key(self, key: str) -> str:
        return f"{self.prefix}/{key}"

    def read(self, key: str) -> bytes:
        return self._ask(lambda: bytes(self._client.get(self._key(key)).bytes()))

    def has(self, key: str) -> bool:
        try:
            self._ask(lambda: self._client.head(self._key(key)))
        except FileNotFoundError:
            return False
        return True

    def write(self, key: str, content: bytes) -> None:
        self._ask(lambda: self._client.put(self._key(key), content))

    def sizes(self, folder: str = "") -> dict[str, int]:
        prefix = f"{self.prefix}/{folder}".rstrip("/")
        objects = self._ask(lambda: self._client.list(prefix).collect())
        return {entry["path"].removeprefix(f"{self.prefix}/"): entry["size"] for entry in objects}

    def delete(self, keys: Iterable[str]) -> None:
        objects = [self._key(key) for key in keys]
        if objects:
            self._ask(lambda: self._client.delete(objects))

    def zarr_store(self, read_only: bool = True) -> Store:
        return _ProcessBoundStore(self._open(self.prefix), read_only=read_only)

    def beside(self) -> BucketStorage:
        return BucketStorage(self.bucket, self.prefix + _PARTIAL)

    def lock(self, doing: str) -> Lock:
        return Lease(_LockObject(self._client, f"{self.prefix}.lock", self._ask), doing)

    def claim(self, name: str) -> Lock:
        place = _LockObject(self._client, f"{self.prefix}{_CLAIMS}/{name}", self._ask)
        return Lease(place, f"works on {name} of {self.path}")

    def claimed(self) -> list[str]:
        return sorted(BucketStorage(self.bucket, self.prefix + _CLAIMS).sizes())

    def drop_claims(self) -> None:
        BucketStorage(self.bucket, self.prefix + _CLAIMS).delete(self.claimed())

    def take_place_of(self, other: Storage) -> None:
        if not isinstance(other, BucketStorage):
            raise TypeError(f"{self.path} moves to another place of its bucket alone, not to {other.path}")
        prefix = other.prefix

        def copy(key: str) -> None:
            self._ask(lambda: self._client.copy(self._key(key), f"{prefix}/{key}"))

        groups = removal_order(self.sizes())
        with ThreadPoolExecutor(_COPIES_AT_ONCE) as pool:
            for keys in reversed(groups):
                list(pool.map(copy, keys))
        for keys in groups:
            self.delete(keys)

    def not_damage(self, error: BaseException) -> UserError | None:
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

        text = str(error)
        if "NoSuchBucket" in text or "bucket does not exist" in text:
            return UserError(
                f"{self.path}: there is no bucket '{self.bucket}' at {_endpoint()}: see which there are with "
                "`aws s3 ls`, or create it with `aws s3 mb`"
            )
        if isinstance(error, PermissionDeniedError | UnauthenticatedError):
            return UserError(
                f"{self.path}: access denied by {_endpoint()}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to "
                "credentials that may read and write it, and check with `aws s3 ls`"
            )
        if not isinstance(error, BaseError) or isinstance(error, FileNotFoundError):
            return None
        if "/latest/" in text:  # the client asked the machine for a role, since the environment has no credentials
            return UserError(
                f"{self.path}: no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                "AWS_SKIP_SIGNATURE=true for a public bucket"
            )
        first = " ".join(text.split("Debug source")[0].split())
        return UserError(
            f"{self.path}: {_endpoint()} does not answer as it should ({first}): check the network and "
            "AWS_ENDPOINT_URL, e.g. with `aws s3 ls`, and give the same command again"
        )


def _check_process(path: str) -> None:
    # The client's threads do not survive a fork: a request from the child would never be answered.
    if _process_of_client not in (None, os.getpid()):
        raise UserError(
            f"{path} was opened before this process was forked, and cannot be read here: start processes with "
            "multiprocessing's 'forkserver' or 'spawn', as `data.loading.num_workers=2` does"
        )


class _ProcessBoundStore(zarr.storage.ObjectStore["S3Store"]):
    """A zarr store in a bucket whose requests are refused in a process that was forked since it was opened."""

    @property
    def store(self) -> S3Store:
        """The client, which every request asks for."""
        _check_process(f"s3://{self._client.config['bucket']}/{self._client.prefix}")
        return self._client

    @store.setter
    def store(self, client: S3Store) -> None:
        self._client = client


class _LockObject:
    """An object that is written only if it has not changed since the writer last saw it.

    Args:
        client: client of the bucket.
        key: key of the object.
        ask: function that makes a request, and turns its errors into ours.
    """

    def __init__(self, client: S3Store, key: str, ask: Callable[[Callable[[], Any]], Any]) -> None:
        self._client = client
        self._key = key
        self._ask = ask

    def read(self) -> tuple[bytes, str] | None:
        """Return its content and the tag of this content; None if it is not there."""
        try:
            found = self._ask(lambda: self._client.get(self._key))
        except FileNotFoundError:
            return None
        return bytes(found.bytes()), found.meta["e_tag"]

    def write(self, content: bytes, over: str | None) -> str | None:
        """Replace the content of a tag, or create the object (None); return the new tag, None if it has changed."""
        mode: Any = "create" if over is None else {"e_tag": over}
        return self._ask(partial(self._put, content, mode))

    def _put(self, content: bytes, mode: Any) -> str | None:
        from obstore.exceptions import AlreadyExistsError, NotFoundError, PreconditionError

        try:
            return self._client.put(self._key, content, mode=mode)["e_tag"]
        except (AlreadyExistsError, NotFoundError, FileNotFoundError, PreconditionError):
            return None

    def delete(self) -> None:
        """Delete it, if it is there."""
        self._ask(lambda: self._client.delete(self._key))


def _endpoint() -> str:
    return os.environ.get("AWS_ENDPOINT_URL") or "AWS"
