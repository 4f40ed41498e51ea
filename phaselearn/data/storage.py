"""Where a store lies: a folder of this machine, or a bucket of an object storage, behind the same few operations."""

from __future__ import annotations

import os
import shutil
import stat
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

import zarr
import zarr.storage
from zarr.abc.store import Store

from phaselearn.errors import UserError
from phaselearn.quoting import command

_UNFINISHED = ".partial"


class Storage(ABC):
    """Files by key (a relative path with `/`), each written whole or not at all. Can be sent to other processes.

    Attributes:
        path: what the user calls it: a path, or a URL.
    """

    path: Path | str

    @abstractmethod
    def read(self, key: str) -> bytes:
        """Return a file's bytes; FileNotFoundError if there is none."""

    @abstractmethod
    def write(self, key: str, content: bytes) -> None:
        """Write a file; whoever reads sees the old one or the new one."""

    @abstractmethod
    def sizes(self, folder: str = "") -> dict[str, int]:
        """Return every file and its bytes, of the whole storage or in one of its folders; empty if there is none.

        Raises:
            UserError: a link, which may lead out of the storage.
        """

    @abstractmethod
    def delete(self, keys: Iterable[str]) -> None:
        """Delete files that are there."""

    @abstractmethod
    def clear(self, first: str) -> None:
        """Delete everything, beginning with the file `first`, so that what is left of it cannot be taken for whole."""

    @abstractmethod
    def zarr_store(self, read_only: bool = True) -> Store:
        """Return it as zarr takes it."""

    @abstractmethod
    def beside(self) -> Storage:
        """Return the place beside it in which it is built."""

    @abstractmethod
    def take_place_of(self, other: Storage, last: str) -> None:
        """Move everything to an empty storage of the same kind, the file `last` at the end.

        Stopped half-way, it can be done again.
        """

    @abstractmethod
    def has(self, key: str) -> bool:
        """Return whether a file is there."""

    def not_damage(self, error: BaseException) -> UserError | None:
        """Return what to tell where an error is of the way to the storage and not of what it holds."""
        return None


class LocalStorage(Storage):
    """A folder."""

    def __init__(self, path: Path) -> None:
        self.path: Path = path

    def read(self, key: str) -> bytes:
        return (self.path / key).read_bytes()

    def has(self, key: str) -> bool:
        return (self.path / key).is_file()

    def write(self, key: str, content: bytes) -> None:
        file = self.path / key
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_name(f"{file.name}.{uuid.uuid4().hex}{_UNFINISHED}")
        unfinished.write_bytes(content)
        os.replace(unfinished, file)

    def sizes(self, folder: str = "") -> dict[str, int]:
        top = str(self.path)
        found = {}
        for where, folders, names in os.walk(os.path.join(top, folder)):
            for name in (*folders, *names):
                path = os.path.join(where, name)
                status = os.lstat(path)
                key = os.path.relpath(path, top).replace(os.sep, "/")
                if stat.S_ISLNK(status.st_mode):
                    raise UserError(
                        f"{self.path} holds a link, {key}: a store is files of its own, copy what you trust with "
                        f"`{command('cp -rL', self.path, 'COPY')}`"
                    )
                if not stat.S_ISDIR(status.st_mode):
                    found[key] = status.st_size
        return found

    def delete(self, keys: Iterable[str]) -> None:
        folders = set()
        for key in keys:
            (self.path / key).unlink()
            folders.update((self.path / key).relative_to(self.path).parents)
        for folder in sorted(folders, key=lambda folder: len(folder.parts), reverse=True):
            if folder.parts and not any((self.path / folder).iterdir()):
                (self.path / folder).rmdir()

    def clear(self, first: str) -> None:
        (self.path / first).unlink(missing_ok=True)
        if self.path.exists():
            shutil.rmtree(self.path)

    def zarr_store(self, read_only: bool = True) -> Store:
        return zarr.storage.LocalStore(self.path, read_only=read_only)

    def beside(self) -> LocalStorage:
        return LocalStorage(self.path.with_name(self.path.name + _UNFINISHED))

    def take_place_of(self, other: Storage, last: str) -> None:
        os.replace(self.path, other.path)
