"""`phaselearn known`: known crystals, whose atoms a search may begin with, from a source of crystals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from phaselearn.commands.application import run_application
from phaselearn.quoting import printable

if TYPE_CHECKING:
    from omegaconf import DictConfig


def main() -> None:
    """Run the command."""
    run_application("known", _known)


def _known(config: DictConfig) -> None:
    from phaselearn.commands.settings import check
    from phaselearn.errors import UserError, choose

    # Before the imports, which take seconds.
    check(config, "known")
    choose("split", config.split, ("all", "train"), command="phaselearn known")
    out = Path(config.out)
    blocked = out.exists() and not out.is_file()
    if not out.name or blocked or (out.parent.exists() and not out.parent.is_dir()):
        raise UserError(f"out={config.out} is not the name of a file: name one, e.g. out=mine.npz")
    if not config.longest_edge > 0:
        raise UserError(f"longest_edge={config.longest_edge}: above 0 is needed, e.g. longest_edge=30")

    from hydra.utils import instantiate

    from phaselearn.benchmark.crystals import crystals_of_source
    from phaselearn.commands.console import quiet_libraries
    from phaselearn.data.split import split_of
    from phaselearn.progress import track
    from phaselearn.solver.isotypes.collection import collected

    quiet_libraries()
    source = instantiate(config.source)
    crystals = [
        crystal
        for crystal in crystals_of_source(source, config.longest_edge)
        if config.split in ("all", split_of(crystal.formula))
    ]
    known = collected(track(crystals, "reduced cells", len(crystals)), f"{source.licence}; {source.attribution}")
    known.write(out)
    print(printable(f"{config.out}: {len(known)} crystals of {len(known.kinds)} structure types"))
    print(printable(f"use: phaselearn solve FILE starts.known={config.out}"))
