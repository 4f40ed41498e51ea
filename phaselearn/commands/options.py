"""The options of the config groups: those of conf/, and those of installed packages with a conf/ of their own.

A package declares its conf/ in its pyproject.toml:

    [project.entry-points."phaselearn.conf"]
    my_phasing = "my_phasing.conf"
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

from phaselearn.errors import UserError

ENTRY_POINTS = "phaselearn.conf"
OWN = "phaselearn"
EVALUATED = ("source", "data", "observation", "loss", "evaluation")  # groups whose option an evaluation may replace


def config_directory() -> Path:
    """Return conf/: inside an installed package, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    return package / "conf" if (package / "conf").is_dir() else package.parent / "conf"


@cache
def config_directories() -> dict[str, Path]:
    """Return conf/ and its counterparts in other packages, by package name; Hydra takes an option from the first.

    Raises:
        UserError: a package names a folder that it does not have, or an option by a name that is taken.
    """
    found = {OWN: config_directory()}
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        folder = _folder(point)
        for file in folder.glob("*/*.yaml"):
            option = file.relative_to(folder)
            for name, other in found.items():
                if (other / option).exists():
                    raise UserError(
                        f"{file}: {name} has {option.parent}={option.stem} already: give the option another name, or "
                        f"`pip uninstall {point.name}`"
                    )
        found[point.name] = folder
    return found


def evaluation_defaults() -> Path:
    """Return the file with the keys of every option of conf/evaluation."""
    return config_directory() / "evaluation" / "_base.yaml"


def option_file(group: str, option: str) -> Path | None:
    """Return the YAML file of an option; None if there is no such option, or if the name is a path."""
    if option != Path(option).name:
        return None
    files = (folder / group / f"{option}.yaml" for folder in config_directories().values())
    return next((file for file in files if file.is_file()), None)


def option_groups() -> set[str]:
    """Return the names of the config groups."""
    return {entry.name for folder in config_directories().values() for entry in folder.iterdir() if entry.is_dir()}


def options_of(group: str, package: str | None = None) -> list[str]:
    """Return the options of a config group; files whose names begin with an underscore are not options.

    Args:
        group: the group, such as model or loss.
        package: the only package whose options are returned; None for all packages.
    """
    folders = [folder for name, folder in config_directories().items() if package in (None, name)]
    files = (file for folder in folders for file in (folder / group).glob("*.yaml"))
    return sorted(file.stem for file in files if not file.stem.startswith("_"))


def first_comment(group: str, option: str) -> str:
    """Return the first sentence of the comment at the head of an option's file."""
    file = option_file(group, option)
    lines = file.read_text(encoding="utf-8").splitlines() if file else []
    head = takewhile(lambda line: line.startswith("#"), (line for line in lines if "@package" not in line))
    return " ".join(line.lstrip("# ") for line in head).partition(". ")[0].rstrip(".: ")


def _folder(point: EntryPoint) -> Path:
    """Return the folder that an entry point names, without importing the package, which may be slow."""
    root, *inner = point.value.split(".")
    spec = find_spec(root)
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (folder := Path(place).joinpath(*inner)).is_dir():
            return folder
    raise UserError(
        f"the installed package {point.name} says that options of its own are in {point.value}, but that is not a "
        f"folder (entry point {ENTRY_POINTS}): correct its pyproject.toml, or `pip uninstall {point.name}`"
    )


class OptionsOfPackages(SearchPathPlugin):
    """Hydra plugin: lets every command find the options of other packages."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append their folders after conf/."""
        for name, folder in config_directories().items():
            if name != OWN:
                search_path.append(provider=name, path=f"file://{folder}")


Plugins.instance().register(OptionsOfPackages)
# Hydra's plugin has an option of this name, too. Hydra would warn of two on every use; ours replaces it.
ConfigStore.instance().repo.get("hydra", {}).get("launcher", {}).pop("joblib.yaml", None)
