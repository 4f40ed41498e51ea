"""How long commands take that only look, beside an empty Hydra application.

    python benchmarks/startup.py [--rounds 7]

`python train.py --help` and `--cfg job` are measured against the empty application, `phaselearn config` and
`phaselearn runs` on 20 run folders against 3 s. Prints one line a figure, `name: value (at least|at most BOUND)
ok|short`, and exits 1 if one falls short.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import Figures, state_machine

REPO = Path(__file__).resolve().parents[1]
PHASELEARN = "from phaselearn.commands.main import main; main()"
RUNS = 20
GOAL = 3.0  # seconds
EMPTY = """
import hydra

@hydra.main(version_base="1.3", config_path=None)
def main(config):
    pass

main()
"""


def seconds(*command: str, folder: str) -> float:
    """Return how long a command takes."""
    start = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    subprocess.run([sys.executable, *command], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def write_runs(folder: Path) -> None:
    """Write run folders as training leaves them, as far as the list of runs reads them."""
    for number in range(RUNS):
        run = folder / "outputs" / f"run{number}"
        run.mkdir(parents=True)
        (run / "config.yaml").write_text(
            f"model: {{_target_: phaselearn.models.mlp.MultilayerPerceptron}}\nseed: {number}\n"
            f"loss: {{_target_: phaselearn.losses.mse.MeanSquaredError}}\noptim: {{lr: {0.001 * (number + 1)}}}\n"
            "data: {name: hkl10}\n"
        )
        epochs = [f"{epoch},{epoch},{1 / (epoch + 1)},{epoch / 50}" for epoch in range(50)]
        (run / "metrics.csv").write_text("\n".join(["epoch,step,val/loss,val/median_cc", *epochs]) + "\n")
        (run / "results.csv").write_text(
            "method,subset,n,solved,strict,median_cc,gain,phase_error,left_out,failed\n"
            f"mlp,all,8,0.5,0.25,{0.9 + number / 1000},0.1,30.0,0,0\nphase_zero,all,8,0.25,0.1,0.8,0.0,40.0,0,0\n"
        )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=7)
    given = arguments.parse_args()
    state_machine()
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        empty, train = Path(folder) / "empty.py", REPO / "train.py"
        empty.write_text(EMPTY)
        write_runs(Path(folder))
        for flags in (["--help"], ["--cfg", "job"]):
            name = " ".join(flags)
            base, ours = fastest([str(empty), *flags], [str(train), *flags], rounds=given.rounds, folder=folder)
            figures.state(f"{name}, seconds of an empty Hydra application", base)
            figures.state(f"{name}, ratio of train.py to it", ours / base)
            figures.at_most(
                f"{name}, seconds of train.py against 1.5 times that and half a second", ours, 1.5 * base + 0.5
            )
        for words in (["config"], ["config", "experiment=report_best"], ["runs"]):
            name = f"phaselearn {' '.join(words)}" + (f", {RUNS} run folders" if words == ["runs"] else "")
            base, ours = fastest([str(empty)], ["-c", PHASELEARN, *words], rounds=given.rounds, folder=folder)
            figures.state(f"{name}, ratio to an empty Hydra application", ours / base)
            figures.at_most(f"{name}, seconds", ours, GOAL)
    figures.finish()


def fastest(*commands: list[str], rounds: int, folder: str) -> list[float]:
    """Return the least seconds of each command, run in turns: whatever else the machine does only adds to it."""
    measured = [[seconds(*command, folder=folder) for command in commands] for _ in range(rounds)]
    return list(map(min, zip(*measured, strict=True)))


if __name__ == "__main__":
    main()
