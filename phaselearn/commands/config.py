"""`phaselearn config …`: what `phaselearn train …` would run, and why; nothing is hashed, fetched or written.

Nothing is built, either, so that torch is not imported: with `--weights`, the network alone is, to count its weights.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from phaselearn.commands.application import fail, split_arguments
from phaselearn.commands.options import config_directory, first_comment
from phaselearn.commands.overrides import path_as_written
from phaselearn.commands.plain_config import plain_values, read_config
from phaselearn.quoting import command, printable

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from rich.table import Table

_WEIGHTS = "--weights"
_USAGE = f"""\
usage: phaselearn config [group=option …] [key=value …]   as for `phaselearn train`
       phaselearn config {_WEIGHTS} …                     builds the network, too, and counts its weights"""


def main() -> None:
    """Run the command."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from phaselearn.commands.suggestions import explain
    from phaselearn.errors import UserError

    counts = _WEIGHTS in sys.argv
    try:
        flags, overrides = split_arguments([word for word in sys.argv[1:] if word != _WEIGHTS])
        overrides = [path_as_written(override) for override in overrides]
        if "-h" in flags or "--help" in flags:
            print(_USAGE)
            return
        if flags:
            raise UserError(f"{' '.join(flags)}: config shows one run, e.g. `phaselearn config model=unet3d`")
        _explain(overrides, counts)
    except (UserError, HydraException, OmegaConfBaseException) as error:
        fail(explain(error, "train"))


def _explain(overrides: list[str], counts: bool) -> None:
    from hydra.utils import instantiate
    from rich.console import Console

    from phaselearn.commands.settings import check

    config = _composed(overrides)
    choices = {
        group: str(option)
        for group, option in config.hydra.runtime.choices.items()
        if option is not None and not group.startswith("hydra/")
    }
    plain = _without_hydra(config)
    check(plain, "train")
    definition = instantiate(plain.data.definition)
    network = str(plain.model._target_).rpartition(".")[2]
    # Counted before anything is printed: a network that cannot be built is an error.
    weights = f"{_count(plain):,}" if counts else f"`{command('phaselearn config', _WEIGHTS, *overrides)}` counts its"
    console = Console()
    console.print(_choices_table(choices, overrides))
    if "experiment" in choices or _given(overrides) - set(choices):  # options alone have their own values
        values = _values_table(plain, choices, overrides)
        if values.row_count:
            console.print(values)
    print(f"model:  {network}, {weights} weights to train")
    print(f"pairs:  {definition.extent}, {definition.sampling} density, σ {definition.sigma} Å")
    print(f"store:  {printable(_store(plain.data))}")
    print(f"run it: {command('phaselearn train', *overrides)}")


def _count(config: DictConfig) -> int:
    """Return the number of weights that training would change."""
    from phaselearn.commands.session import build_data, build_model
    from phaselearn.commands.settings import check_shown

    check_shown(config)
    model = build_model(config, build_data(config).definition)
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def _store(data: DictConfig) -> str:
    """Return where the store is. Only a run asks a bucket, or computes the hash of the source."""
    if data.store is None:
        named = f"{os.path.join(data.build.folder, data.name)}_….zarr"
        return f"{named} (its name holds a hash of the source; built if it is not there)"
    place = str(data.store)
    if "://" in place:
        return f"{place} (built if it is not there)"
    return f"{place} ({'is there' if os.path.exists(place) else 'will be built'})"


def _composed(overrides: list[str]) -> DictConfig:
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        return compose("train", overrides=overrides, return_hydra_config=True)


def _without_hydra(config: DictConfig) -> DictConfig:
    from omegaconf import OmegaConf, open_dict

    with open_dict(config):
        # Only a running application knows the name of its run folder.
        config.run = None
        config.pop("hydra")
    return OmegaConf.create(plain_values(config))


def _choices_table(choices: dict[str, str], overrides: list[str]) -> Table:
    from phaselearn.report.plain_table import PlainTable

    given = _given(overrides)
    defaults = _defaults()
    table = PlainTable(title="choices")
    for column in ("group", "option", "why", "what it is"):
        table.add_column(column, overflow="fold")
    for group, option in choices.items():
        why = "given" if group in given else "default" if defaults.get(group) == option else "experiment"
        table.add_row(group, option, why, first_comment(group.partition("@")[0], option))
    return table


def _values_table(config: DictConfig, choices: dict[str, str], overrides: list[str]) -> Table:
    """Return the table of the values that differ from those in the options' files."""
    from phaselearn.report.plain_table import PlainTable

    defaults = _defaults()
    groups = [
        f"{'' if group in defaults else '+'}{group}={option}"
        for group, option in choices.items()
        if group not in ("experiment", "sweep")
    ]
    # Here, a value that must be given is ???.
    plain = _flat(plain_values(_without_hydra(_composed(groups))))
    given = _given(overrides)
    by = "experiment" if "experiment" in choices else "follows from another"
    table = PlainTable(title="values that differ from the options' own")
    for column in ("key", "value", "the option's", "why"):
        table.add_column(column, overflow="fold")
    for key, value in _flat(plain_values(config)).items():
        if key not in plain or plain[key] != value:
            why = "given" if key in given else by
            table.add_row(key, str(value), str(plain.get(key, "–")), why)
    return table


def _given(overrides: list[str]) -> set[str]:
    return {override.partition("=")[0].lstrip("+~") for override in overrides}


def _flat(node: Any, above: str = "") -> dict[str, Any]:
    if not isinstance(node, dict):
        return {above.removesuffix("."): node}
    return {key: value for name, child in node.items() for key, value in _flat(child, f"{above}{name}.").items()}


def _defaults() -> dict[str, str]:
    listed = read_config(config_directory() / "train.yaml").defaults
    return {
        str(group): str(option) for entry in listed if not isinstance(entry, str) for group, option in entry.items()
    }
