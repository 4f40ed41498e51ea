"""A lock in a bucket: an object that its holder renews, and that is free when it has not been renewed for a while."""

from __future__ import annotations

import threading
import time
import uuid
from contextlib import suppress
from typing import Protocol

from phaselearn.locks import Holder, Lock

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


class Lease(Lock):
    """A lock on an object in a bucket.

    Args:
        place: the object.
        doing: the holder's work, which is shown to those who wait, as in "builds pairs.zarr".
    """

    def __init__(self, place: LockObject, doing: str) -> None:
        self.doing = doing
        self.pause = ASKED
        self._place = place
        self._note = Holder.here(doing).encode() + b"\n" + uuid.uuid4().hex.encode()
        self._tag: str | None = None
        self._seen: str | None = None
        self._since = 0.0
        self._ended = threading.Event()
        self._renewing: threading.Thread | None = None

    def take(self) -> bool:
        self._tag = self._place.write(self._note, None) or self._abandoned()
        if self._tag is None:
            return False
        self._ended.clear()
        self._renewing = threading.Thread(target=self._renew, daemon=True)
        self._renewing.start()
        return True

    def _abandoned(self) -> str | None:
        """Return the new tag of an object that its holder has not renewed for long, or that is our own."""
        found = self._place.read()
        if found is None:  # released just now: the next attempt creates it
            return None
        content, tag = found
        if content == self._note:  # our own: the answer to our request was lost, and the request was repeated
            return tag
        if tag != self._seen:
            self._seen, self._since = tag, time.monotonic()
        elif time.monotonic() - self._since > FREE_AFTER:
            return self._place.write(self._note, tag)
        return None

    def holder(self) -> Holder | None:
        found = self._place.read()
        return None if found is None else Holder.decode(found[0].partition(b"\n")[0])

    def _renew(self) -> None:
        number = 0
        while self._tag is not None and not self._ended.wait(RENEWED):
            number += 1
            with suppress(Exception):  # the next renewal may succeed, and the last one was not long ago
                self._tag = self._place.write(self._note + b":%d" % number, self._tag)

    def release(self) -> None:
        self._ended.set()
        if self._renewing is not None:
            self._renewing.join()
        # Another process may have taken it in the belief that this one was killed.
        if self._tag is not None:
            self._place.delete()
            self._tag = None
