"""`phaselearn prepare`: build a store, verify or repair one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback

from phaselearn.commands.application import fail, run_application
from phaselearn.errors import UserError
from phaselearn.quoting import printable

if TYPE_CHECKING:
    from pathlib import Path

    from omegaconf import DictConfig

    from phaselearn.data.structures import Source

_MOST_NAMED = 10


class FailedJobs(Callback):
    """Hydra callback that ends a multirun with exit code 2 if a job has failed."""

    def on_multirun_end(self, config: DictConfig, **more: Any) -> None:
        """Name the first reason."""
        from pathlib import Path

        from phaselearn.failures import FAILED_FILE, read_failure

        folders = sorted(note.parent for note in Path(config.hydra.sweep.dir).glob(f"*/{FAILED_FILE}"))
        failures = [failure for folder in folders if (failure := read_failure(folder)) is not None]
        if failures:
            fail(f"{len(failures)} jobs failed; the first because {failures[0].reason}")


def main() -> None:
    """Run the command."""
    run_application("prepare", _prepare)


def _prepare(config: DictConfig) -> None:
    from phaselearn.commands.memory import keep_freed_memory
    from phaselearn.commands.session import build_data
    from phaselearn.commands.settings import check
    from phaselearn.data.store.location import store_path

    check(config, "prepare")
    keep_freed_memory()
    asked = [name for name in ("overwrite", "verify", "repair") if config[name]]
    if len(asked) > 1:
        raise UserError(f"{' and '.join(f'{name}=true' for name in asked)}: one at a time, e.g. {asked[-1]}=true")
    if config.verify or config.repair:
        # A store records how it was built. Its source may be gone, and is read only if a repair needs it.
        if config.data.store is None:
            raise UserError(f"{asked[0]}=true needs a store: `phaselearn prepare data.store=PATH {asked[0]}=true`")
        path = store_path(config.data.store)
        if config.verify:
            _verify(path)
        else:
            _repair(path, config.data.build.workers, config.trust)
        return
    if config.job is not None and config.overwrite:
        raise UserError(
            f"job={config.job} overwrite=true: a job that begins late would replace what the others have built: remove "
            "the old store, and leave overwrite=true out"
        )
    store = build_data(config).configured_store.build(overwrite=config.overwrite)
    print(printable(f"{store.path}: {len(store)} pairs of {store.definition.extent}"))
    for reason, count in store.attributes["left_out"].items():
        print(printable(f"  left out: {count} × {reason}"))


def _verify(path: Path | str) -> None:
    from phaselearn.data.store.damage import repair_command
    from phaselearn.data.store.location import open_storage
    from phaselearn.data.store.verify import verify_store

    problems = verify_store(path)
    for problem in problems:
        print(printable(f"{problem.file}: {problem.what}"))
    if problems:
        raise UserError(
            f"{path} is damaged: {problems[0].file} ({problems[0].what})"
            + (f" and {len(problems) - 1} more" if len(problems) > 1 else "")
            + f": repair it with `{repair_command(open_storage(path))}`"
        )
    print(f"{printable(path)}: every file is sound, the arrays fit together, and the pairs of a sample are as defined")


def _repair(path: Path | str, workers: int | None, trusted: bool) -> None:
    from hydra.utils import instantiate

    from phaselearn.commands.strangers import Stranger, check_stranger
    from phaselearn.data.build.repair import repair_store
    from phaselearn.data.store.damage import prepare_command

    def source_of(config: Mapping[str, Any]) -> Source:
        if not trusted:
            again = prepare_command(path, "repair=true", "trust=true")
            check_stranger(config, Stranger(str(path), again), at="source")
        return instantiate(config)

    repaired = repair_store(path, source_of, workers)
    if not repaired:
        print(f"{printable(path)}: every file is sound")
        return
    more = f" and {len(repaired) - _MOST_NAMED} more" if len(repaired) > _MOST_NAMED else ""
    print(printable(f"{path}: rebuilt {', '.join(repaired[:_MOST_NAMED])}{more}"))
