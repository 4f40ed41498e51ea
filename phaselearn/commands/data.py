"""`phaselearn data info`: what is in a store."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from phaselearn.commands.application import fail, run_application
from phaselearn.quoting import printable

if TYPE_CHECKING:
    from omegaconf import DictConfig

_USAGE = "phaselearn data info data.store=PATH"


def main() -> None:
    """Run the command."""
    if sys.argv[1:2] != ["info"]:
        given = sys.argv[1] if len(sys.argv) > 1 else "nothing"
        if given in ("-h", "--help"):
            print(f"usage: {_USAGE}\n\n  info   histograms of the crystals, provenance, and what was left out")
            return
        fail(f"data {given}: allowed is `info`, e.g. `{_USAGE}`")
    sys.argv = ["phaselearn data info", *sys.argv[2:]]
    run_application("data_info", _info)


def _info(config: DictConfig) -> None:
    from rich.console import Console

    from phaselearn.commands.settings import check
    from phaselearn.data.store.pair_store import PairStore
    from phaselearn.data.store.summary import summarise
    from phaselearn.errors import UserError
    from phaselearn.report.store import store_panels

    check(config, "data_info")
    if config.data.store is None:
        raise UserError(f"a store is needed: `{_USAGE}`")
    store = PairStore(config.data.store)
    console = Console()
    print(printable(store.path))
    for panel in store_panels(summarise(store)):
        console.print(panel)
