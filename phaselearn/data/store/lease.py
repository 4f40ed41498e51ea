"""A lock in a bucket: an object that its holder renews, and that is free when it has not been renewed for a while."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from phaselearn.locks import Holder, waiting_for

RENEWED = 15.0  # seconds between two renewals
FREE_AFTER = 90.0  # seconds without a renewal, after which the holder counts as killed
ASKED = 2.0  # seconds between two looks of a process that waits


class LockObject(Protocol):
    """An object in a bucket that is written only if it has not changed since the writer last saw it."""

    def read(self) -> tuple[bytes, str] | None:
        """Return its content and the tag of this content; None if it is not there."""

    def write(self, content: bytes, over: str | None) -> str | None:
        """Replace the content of a tag, or create the object (None); return the new tag, None if it has changed."""

    def delete(self) -> None:
        """Delete it, if it is there."""


class _Lease:
    """A lock object that this thread holds, or waits for.

    Args:
        place: the object.
        doing: the holder's work, which is shown to those who wait.
    """

    def __init__(self, place: LockObject, doing: str) -> None:
        self._place = place
        self._doing = doing
        self._note = Holder.here(doing).encode() + b"\n" + uuid.uuid4().hex.encode()
        self._tag: str | None = None
        self._ended = threading.Event()
        self._renewing = threading.Thread(target=self._renew, daemon=True)

    def take(self) -> bool:
        """Wait until the object is free, and hold it; return whether another process held it first."""
        self._tag = self._place.write(self._note, None)
        waited, seen, since = False, "", 0.0
        while self._tag is None:
            found = self._place.read()
            if found is None:
                self._tag = self._place.write(self._note, None)
                continue
            content, tag = found
            if content == self._note:  # our own: the answer to our request was lost, and the request was repeated
                self._tag = tag
                break
            if not waited:
                waiting_for(Holder.decode(content.partition(b"\n")[0]), self._doing)
                waited = True
            if tag != seen:
                seen, since = tag, time.monotonic()
            elif time.monotonic() - since > FREE_AFTER:
                self._tag = self._place.write(self._note, tag)
                continue
            time.sleep(ASKED)
        self._renewing.start()
        return waited

    def _renew(self) -> None:
        number = 0
        while self._tag is not None and not self._ended.wait(RENEWED):
            number += 1
            with suppress(Exception):  # the next renewal may succeed, and the last one was not long ago
                self._tag = self._place.write(self._note + b":%d" % number, self._tag)

    def give_back(self) -> None:
        """Free the object, unless another process has taken it in the belief that its holder was killed."""
        self._ended.set()
        self._renewing.join()
        if self._tag is not None:
            self._place.delete()


@contextmanager
def leased(place: LockObject, doing: str) -> Iterator[bool]:
    """Hold a lock object, as soon as its holder has let it go or was killed; a process that waits says so in one line.

    Args:
        place: the object.
        doing: the holder's work, which is shown to those who wait, as in "builds s3://crystals/pairs.zarr".

    Yields:
        Whether another process held it first.
    """
    lease = _Lease(place, doing)
    waited = lease.take()
    try:
        yield waited
    finally:
        lease.give_back()
