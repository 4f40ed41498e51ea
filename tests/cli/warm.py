"""Commands as processes of their own that do not begin with imports: forks of one that has them done."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

# Libraries that a command imports before it works. PhaseLearn is left out: its own imports are tested, too.
LIBRARIES = (
    "_plotly_utils.basevalidators",
    "PIL.PngImagePlugin",
    "antlr4",
    "contourpy",
    "filelock",
    "gemmi",
    "hydra._internal.hydra",
    "hydra.main",
    "jinja2",
    "matplotlib.backends.backend_agg",
    "matplotlib.pyplot",
    "mpl_toolkits.mplot3d.art3d",
    "narwhals.stable.v1",
    "plotly.graph_objects",
    "pymatgen.core",
    "pytorch_lightning",
    "rich.progress",
    "rich.table",
    "scipy.ndimage",
    "scipy.optimize",
    "skimage.measure",
    "spglib",
    "torch",
    "torch.optim.adam",
    "torchmetrics",
    "zarr",
    "tests.cli.frozen",  # the last: what is there stays out of the collections of garbage
)


def run_warm(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run `python SCRIPT …`, `python -c CODE …` or `python -m MODULE …`, and return what `subprocess.run` would.

    Raises:
        subprocess.TimeoutExpired: it took longer than `timeout` seconds, and was killed.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(LIBRARIES))
    with tempfile.TemporaryDirectory() as streams:
        paths = [str(Path(streams) / name) for name in ("stdout", "stderr")]
        process = context.Process(target=_run, args=(list(arguments), str(folder), dict(environment), *paths))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(arguments, timeout)
        texts = [Path(path).read_text() if Path(path).exists() else "" for path in paths]
    return subprocess.CompletedProcess(arguments, process.exitcode, *texts)


def _run(arguments: list[str], folder: str, environment: dict[str, str], stdout: str, stderr: str) -> None:
    for number, path in ((1, stdout), (2, stderr)):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = environment["PYTHONPATH"].split(os.pathsep)
    try:
        _run_program(arguments[1:])
    finally:
        # As at the end of any Python, and before multiprocessing waits for its children: joblib stops its workers here.
        threading._shutdown()


def _run_program(program: list[str]) -> None:
    if program[0] == "-c":
        sys.argv = ["-c", *program[2:]]
        exec(program[1], {"__name__": "__main__"})
    elif program[0] == "-m":
        sys.argv = program[1:]
        runpy.run_module(program[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = program
        runpy.run_path(program[0], run_name="__main__")
