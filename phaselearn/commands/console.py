"""Keep the terminal for the messages of the run, and end when nobody reads them."""

from __future__ import annotations

import logging
import os
import select
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_CLOSED_PIPE = 141  # what a shell reports of a program that SIGPIPE ends


@contextmanager
def ending_with_its_reader() -> Iterator[None]:
    """Exit without a word when the program that reads the output has ended, such as `head`."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        if not reader_has_ended():
            raise
        # Python would write the rest when it exits, and fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(_CLOSED_PIPE) from None


def reader_has_ended() -> bool:
    """Return whether the output is a pipe that nobody reads any more."""
    try:
        output = sys.stdout.fileno()
    except (OSError, ValueError):  # it was replaced, or closed
        return False
    watch = select.poll()
    watch.register(output, 0)
    return any(event & select.POLLERR for _, event in watch.poll(0))


def quiet_libraries() -> None:
    """Silence advertisements and hints of libraries that do not concern the run; other warnings are kept."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        for module in ("", ".utilities.rank_zero", ".accelerators.cuda"):
            logging.getLogger(name + module).setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        ".*The number of training batches.*",
        ".*Checkpoint directory .* exists and is not empty.*",
        ".*treespec, LeafSpec.*",
        ".*when logging on epoch level in distributed setting.*",  # judgements are gathered before they are logged
        ".*is not supported by the model summary.*",  # of a size in megabytes, which is not printed
        ".*could not find the monitored key.*",  # of a run without a validation; others are refused in one line
        "Grad strides do not match bucket view strides.*",  # a kernel of one voxel has many, all right
    ):
        warnings.filterwarnings("ignore", message=message)
