"""Storage of a store: a folder of this machine or a bucket of an object storage, with the same few operations."""

from __future__ import annotations

import errno
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import zarr
import zarr.storage
from zarr.abc.store import Store

from phaselearn.errors import UserError
from phaselearn.files import fault_behind, told_of, write_whole
from phaselearn.locks import Lock, LockFile
from phaselearn.quoting import command

_PARTIAL = ".partial"


class Storage(ABC):
    """Files by key (a relative path with `/`), each written in one step. It can be sent to other processes.

    Attributes:
        path: path or URL, as the user gave it.
    """

    path: Path | str

    @abstractmethod
    def read(self, key: str) -> bytes:
        """Return the bytes of a file.

        Raises:
            FileNotFoundError: there is no such file.
        """

    @abstractmethod
    def write(self, key: str, content: bytes) -> None:
        """Write a file; a reader sees the old one or the new one."""

    @abstractmethod
    def sizes(self, folder: str = "") -> dict[str, int]:
        """Return {key: length in bytes} of all files, or of those in one folder; empty if there are none.

        Raises:
            UserError: one of them is a link, which may lead out of the storage, or neither a file nor a folder.
        """

    @abstractmethod
    def delete(self, keys: Iterable[str]) -> None:
        """Delete files that are there."""

    @abstractmethod
    def lock(self, doing: str) -> Lock:
        """Return the lock of the place, whose holder alone builds a store there; all paths and links to it share one.

        Args:
            doing: the holder's work, which is shown to those who wait, as in "builds pairs.zarr".
        """

    @abstractmethod
    def claim(self, name: str) -> Lock:
        """Return the lock of a piece of the work on this place. It lies beside the place, and is there while held.

        Args:
            name: name of the piece, without `/`.
        """

    @abstractmethod
    def claimed(self) -> list[str]:
        """Return the names of the pieces that are claimed, or were by a process that was killed."""

    @abstractmethod
    def drop_claims(self) -> None:
        """Remove the claims of killed processes, when all of the work is done."""

    @abstractmethod
    def zarr_store(self, read_only: bool = True) -> Store:
        """Return the storage as a store of zarr."""

    @abstractmethod
    def beside(self) -> Storage:
        """Return the storage beside this one in which a store is built."""

    @abstractmethod
    def take_place_of(self, other: Storage) -> None:
        """Move everything to an empty storage of the same kind; if it is stopped half-way, it can be repeated."""

    @abstractmethod
    def has(self, key: str) -> bool:
        """Return whether a file is there."""

    def not_damage(self, error: BaseException) -> UserError | None:
        """Return the user's error if the connection to the storage is at fault; None if its content is."""
        return None


class LocalStorage(Storage):
    """A folder; the path may be a link to it.

    Raises:
        UserError: the path is that of a file, or the root of the file system.
    """

    def __init__(self, path: Path) -> None:
        self.path: Path = path
        self._place = Path(os.path.realpath(path))
        if not self._place.name or (self._place.exists() and not self._place.is_dir()):
            raise UserError(
                f"data.store={path} is not a folder, as a store is: name one, e.g. data.store=stores/pairs.zarr"
            )

    def read(self, key: str) -> bytes:
        file = self.path / key
        if not stat.S_ISREG(file.stat().st_mode):  # a pipe would never end
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file))
        return file.read_bytes()

    def has(self, key: str) -> bool:
        return (self.path / key).is_file()

    def write(self, key: str, content: bytes) -> None:
        # A worker of a killed build may still be writing when the next build begins.
        write_whole(self.path / key, content, contested=True)

    def sizes(self, folder: str = "") -> dict[str, int]:
        top = str(self.path)
        found = {}
        for where, folders, names in os.walk(os.path.join(top, folder), onerror=_raise_fault):
            for name in (*folders, *names):
                path = os.path.join(where, name)
                try:
                    status = os.lstat(path)
                except FileNotFoundError:  # another process has just renamed it
                    continue
                key = os.path.relpath(path, top).replace(os.sep, "/")
                if stat.S_ISLNK(status.st_mode):
                    raise UserError(
                        f"{self.path} holds a link, {key}: a store is files of its own, copy what you trust with "
                        f"`{command('cp -rL', self.path, 'COPY')}`"
                    )
                if stat.S_ISREG(status.st_mode):
                    found[key] = status.st_size
                elif not stat.S_ISDIR(status.st_mode):
                    raise UserError(
                        f"{self.path} holds a pipe, a socket or a device, {key}: a store is files, remove it with "
                        f"`{command('rm', os.path.join(top, key))}`"
                    )
        return found

    def delete(self, keys: Iterable[str]) -> None:
        folders: set[Path] = set()
        for key in keys:
            (self.path / key).unlink()
            folders.update((self.path / key).relative_to(self.path).parents)
        for folder in sorted(folders, key=lambda folder: len(folder.parts), reverse=True):
            if folder.parts and not any((self.path / folder).iterdir()):
                (self.path / folder).rmdir()

    def lock(self, doing: str) -> Lock:
        return LockFile(self._place.with_name(f"{self._place.name}.lock"), doing)

    def claim(self, name: str) -> Lock:
        return _Claim(self._claims / name, f"works on {name} of {self.path}")

    @property
    def _claims(self) -> Path:
        return self._place.with_name(f"{self._place.name}.claims")

    def claimed(self) -> list[str]:
        with suppress(FileNotFoundError):
            return sorted(os.listdir(self._claims))
        return []

    def drop_claims(self) -> None:
        for name in self.claimed():
            (self._claims / name).unlink(missing_ok=True)
        with suppress(OSError):
            self._claims.rmdir()

    def zarr_store(self, read_only: bool = True) -> Store:
        return zarr.storage.LocalStore(self.path, read_only=read_only)

    def beside(self) -> LocalStorage:
        return LocalStorage(self._place.with_name(self._place.name + _PARTIAL))

    def take_place_of(self, other: Storage) -> None:
        place = os.path.realpath(other.path)
        for where, _, _ in os.walk(place, topdown=False):
            os.rmdir(where)
        os.replace(self.path, place)

    def not_damage(self, error: BaseException) -> UserError | None:
        fault = fault_behind(error)
        return None if fault is None else UserError(f"{self.path} cannot be read: {told_of(fault)}")


class _Claim(LockFile):
    """A lock file in a folder that the last of those who hold claims removes."""

    def take(self) -> bool:
        # Another process may remove the folder after this one has made it.
        with suppress(FileNotFoundError):
            return super().take()
        return False

    def release(self) -> None:
        super().release()
        with suppress(OSError):
            self._file.parent.rmdir()


def _raise_fault(error: OSError) -> None:
    """Raise the error of a folder that cannot be listed, which is not the same as empty; none if it is not there."""
    if not isinstance(error, FileNotFoundError):
        raise error
