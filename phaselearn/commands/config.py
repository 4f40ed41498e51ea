"""`phaselearn config …`: what `phaselearn train …` would run, and why; nothing is built, hashed, fetched or written."""

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

    from phaselearn.data.build.configured_store import ConfiguredStore


def main() -> None:
    """Run the command."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from phaselearn.commands.suggestions import explain
    from phaselearn.errors import UserError

    try:
        flags, overrides = split_arguments(sys.argv[1:])
        overrides = [path_as_written(override) for override in overrides]
        if "-h" in flags or "--help" in flags:
            print("usage: phaselearn config [group=option …] [key=value …]   as for `phaselearn train`")
            return
        if flags:
            raise UserError(f"{' '.join(flags)}: config shows one run, e.g. `phaselearn config model=unet3d`")
        _explain(overrides)
    except (UserError, HydraException, OmegaConfBaseException) as error:
        fail(explain(error, "train"))


def _explain(overrides: list[str]) -> None:
    from rich.console import Console

    from phaselearn.commands.session import build_data, build_model
    from phaselearn.commands.settings import check

    config = _composed(overrides)
    choices = {
        group: str(option)
        for group, option in config.hydra.runtime.choices.items()
        if option is not None and not group.startswith("hydra/")
    }
    plain = _without_hydra(config)
    check(plain, "train")
    data = build_data(plain)
    model = build_model(plain, data.definition)
    console = Console()
    console.print(_choices_table(choices, overrides))
    values = _values_table(plain, choices, overrides)
    if values.row_count:
        console.print(values)
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    definition = data.definition
    print(f"model:  {type(model).__name__}, {trained:,} weights to train")
    print(f"pairs:  {definition.extent}, {definition.sampling} density, σ {definition.sigma} Å")
    print(f"store:  {printable(_store(data.configured_store))}")
    print(f"run it: {command('phaselearn train', *overrides)}")


def _store(store: ConfiguredStore) -> str:
    """Return where the store is. Only a run asks a bucket, or computes the hash of the source."""
    if store.place is None:
        named = f"{os.path.join(store.folder, store.name)}_….zarr"
        return f"{named} (its name holds a hash of the source; built if it is not there)"
    if "://" in store.place:
        return f"{store.place} (built if it is not there)"
    return f"{store.place} ({'is there' if os.path.exists(store.place) else 'will be built'})"


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
