"""Keep the terminal for the messages of the run."""

from __future__ import annotations

import logging
import warnings


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
    ):
        warnings.filterwarnings("ignore", message=message)
