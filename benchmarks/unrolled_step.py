"""Where a training step of the unrolled network goes: starts of charge flipping, the cycles forward, and backward.

    OMP_NUM_THREADS=1 python benchmarks/unrolled_step.py [--structures FILE] [--batches 6] [key=value …]

Processor time a step over the same batches, in float32 and under bfloat16 autocast, and the ratio of the two.
`key=value` changes experiment=unrolled_cpu.
"""

from __future__ import annotations

import argparse
import time
from itertools import islice
from pathlib import Path

import torch
from figures import Figures, state_machine

from phaselearn.commands.session import build_data, build_model
from phaselearn.testing.options import composed


class Clock:
    """Adds up the processor time of a method that it wraps."""

    def __init__(self, owner: object, name: str) -> None:
        self.seconds = 0.0
        self._method = getattr(owner, name)
        setattr(owner, name, self)

    def __call__(self, *arguments: object) -> object:
        began = time.process_time()
        result = self._method(*arguments)
        self.seconds += time.process_time() - began
        return result


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--structures", type=Path, help="JSON-lines file; default: the embedded prototypes")
    arguments.add_argument("--batches", type=int, default=6)
    arguments.add_argument("changes", nargs="*", metavar="key=value", help="of the configuration")
    given = arguments.parse_args()
    state_machine()
    source = ["source=file", f"source.path={given.structures.resolve()}"] if given.structures else ["source.count=4000"]
    config = composed("experiment=unrolled_cpu", *source, *given.changes)
    data = build_data(config)
    data.prepare_data()
    data.setup("fit")
    batches = list(islice(data.train_dataloader(), given.batches + 1))
    figures, totals = Figures(), {}
    for precision in ("float32", "bfloat16"):
        model = build_model(config, data.definition)
        starts, cycles = Clock(model, "_training_starts"), Clock(model.network, "trajectory")
        forward = backward = 0.0
        for number, batch in enumerate(batches):
            if number == 1:  # the first one warms up
                starts.seconds = cycles.seconds = forward = backward = 0.0
            began = time.process_time()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16"):
                loss = model.training_losses(batch).mean()
            middle = time.process_time()
            loss.backward()
            forward, backward = forward + middle - began, backward + time.process_time() - middle
        totals[precision] = (forward + backward) / given.batches
        figures.state(f"{precision}, seconds a step", totals[precision])
        parts = {"starts": starts.seconds, "cycles": cycles.seconds, "backward": backward}
        parts["loss and the rest"] = forward - starts.seconds - cycles.seconds
        for name, seconds in parts.items():
            figures.state(f"{precision}, {name}, share", seconds / (forward + backward))
    figures.state("bfloat16 against float32", totals["float32"] / totals["bfloat16"])
    figures.finish()


if __name__ == "__main__":
    main()
