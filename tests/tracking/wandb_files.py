"""Read the files that W&B keeps of offline runs: records of protocol buffers in the log format of LevelDB."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BLOCK, FILE_HEADER, RECORD_HEADER = 32768, 7, 7
WHOLE, LAST = 1, 4  # types of a record's parts


def _messages(path: Path) -> Iterator[bytes]:
    content, place, message = path.read_bytes(), FILE_HEADER, b""
    while place + RECORD_HEADER <= len(content):
        left = BLOCK - place % BLOCK
        if left < RECORD_HEADER:
            place += left
            continue
        _, length, kind = struct.unpack_from("<IHB", content, place)
        message += content[place + RECORD_HEADER : place + RECORD_HEADER + length]
        place += RECORD_HEADER + length
        if kind in (WHOLE, LAST):
            yield message
            message = b""


@dataclass
class WandbFile:
    """The records of a run that one process wrote.

    Attributes:
        run: the protocol buffer of the run: id, project, group, name, whether it goes on with another.
        config, summary: as W&B shows them; nested keys of the summary joined by dots.
        history: rows in order, nested keys joined by dots.
        artifacts: protocol buffers in order.
        exit_code: None where it was not finished.
    """

    run: Any = None
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    artifacts: list[Any] = field(default_factory=list)
    exit_code: int | None = None

    def artifact(self, kind: str) -> Any:
        """Return the one artifact of a type."""
        [found] = [artifact for artifact in self.artifacts if artifact.type == kind]
        return found

    def series(self, name: str) -> tuple[list[int], list[float]]:
        """Return the optimiser steps and the values of a metric."""
        rows = [row for row in self.history if name in row]
        return [row["trainer/global_step"] for row in rows], [row[name] for row in rows]


def read_wandb_file(path: Path) -> WandbFile:
    """Return what a file run-ID.wandb holds."""
    from wandb.proto.wandb_internal_pb2 import Record

    found = WandbFile()
    for message in _messages(path):
        record = Record.FromString(message)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            found.run = record.run
        elif kind == "config":
            found.config |= _values(record.config.update)
        elif kind == "summary":
            found.summary |= _values(record.summary.update)
        elif kind == "history":
            found.history.append(_values(record.history.item))
        elif kind == "artifact":
            found.artifacts.append(record.artifact)
        elif kind == "exit":
            found.exit_code = record.exit.exit_code
    return found


def wandb_files(run_folder: Path) -> list[Path]:
    """Return the files of a run folder, one for each time that the run was started or resumed."""
    return sorted((run_folder / "wandb").glob("offline-run-*/run-*.wandb"))


def _values(items: Any) -> dict[str, Any]:
    return {".".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}
