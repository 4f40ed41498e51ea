"""`phaselearn benchmark`: every phasing method on the same crystals with the same |F|."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phaselearn.commands.application import run_application, typed_command
from phaselearn.commands.options import config_directory, option_file
from phaselearn.commands.plain_config import plain_values
from phaselearn.commands.run_folder import own_folder
from phaselearn.commands.same_crystals import named_source
from phaselearn.commands.starts_names import begin_and_network, short_name, starts_words, unknown_starts
from phaselearn.commands.strangers import Stranger, read_run_config
from phaselearn.errors import UserError
from phaselearn.models.model_card import cards
from phaselearn.quoting import command, printable, setting
from phaselearn.report.run_files import CONFIG_FILE

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from phaselearn.benchmark.runner import Contender
    from phaselearn.report.training_set import TrainingSet

SOLVER = "solver"  # the model whose starts `starts` names
_UNCHANGED = {"counts": None, "seconds": None, "composition_rounds": 0}  # settings of the searches from these starts


def main() -> None:
    """Run the command."""
    sys.argv[1:] = [as_setting(typed) for typed in sys.argv[1:]]
    run_application("benchmark", _benchmark)


def as_setting(typed: str) -> str:
    """Return `search.starts=…` for `starts=…`, and any other word as it is.

    To Hydra, `starts` is the group conf/starts, of which `phaselearn solve` chooses one option.
    """
    return f"search.{typed}" if typed.startswith("starts=") else typed


def _benchmark(config: DictConfig) -> None:
    from phaselearn.commands.settings import check

    # Before the imports, which take seconds.
    check(config, "benchmark")
    for key in ("count", "resamples", "batch_size"):
        if config[key] is None or config[key] < 1:
            raise UserError(f"{key}={config[key]}: at least 1 is needed, e.g. {key}=200")

    import torch
    from hydra.core.hydra_config import HydraConfig
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    from phaselearn.benchmark.contenders import regime_from
    from phaselearn.benchmark.crystals import choose_crystals, crystals_of_source, crystals_of_store
    from phaselearn.benchmark.peers import peer
    from phaselearn.benchmark.run import BenchmarkPlan, run_benchmark
    from phaselearn.benchmark.runner import RunSettings
    from phaselearn.benchmark.table import benchmark_table
    from phaselearn.commands.console import quiet_libraries
    from phaselearn.files import write_whole
    from phaselearn.report.commit import git_commit

    quiet_libraries()
    if str(config.device).startswith("cuda") and not torch.cuda.is_available():
        raise UserError(f"device={config.device}: no CUDA device is here, e.g. device=cpu")
    folder = Path(HydraConfig.get().runtime.output_dir)
    meanings = plain_values(config.regime)
    _check_distinct("regimes", [str(name) for name in config.regimes])
    regimes = [regime_from(config_directory(), str(name), meanings) for name in config.regimes]
    contenders = _contenders(config)
    _check_distinct("methods", [contender.name for contender in contenders])
    _check_distinct("peers", [str(name) for name in config.peers])
    peers = [peer(str(name), config.peer_time_limit) for name in config.peers]
    source = named_source(HydraConfig.get().overrides.task)
    if config.store is not None:
        if source is not None:
            raise UserError(f"store={config.store} and {source}: crystals of one of them, leave the other out")
        crystals = crystals_of_store(config.store)
    else:
        crystals = crystals_of_source(instantiate(config.source), config.longest_edge)
    chosen = choose_crystals(crystals, config.split, config.count, config.seed)
    plan = BenchmarkPlan(
        settings=RunSettings(folder / "crystals", config.batch_size, config.seed),
        resamples=config.resamples,
        peer_count=config.peer_count,
        confidence=[str(name) for name in config.confidence],
        confidence_count=config.confidence_count,
        scrambled_count=config.scrambled_count,
        homometry=config.homometry,
    )
    values = plain_values(config)
    del values["run"]  # a folder may be moved
    own = OmegaConf.create(values)
    few = len(chosen.tested) < config.count
    fewer = f"; count={config.count} asked for more than there are" if few else ""
    facts = {
        "crystals": f"{len(chosen.tested)} of {config.store or _source_name(config)}, split {config.split}{fewer}",
        "commit": git_commit(),
        "command": typed_command("benchmark"),
    }
    with own_folder(folder, own, "give the command that began it to continue it"):
        write_whole(folder / CONFIG_FILE, OmegaConf.to_yaml(own).encode())
        rows = run_benchmark(folder, chosen, regimes, contenders, peers, plan, facts)
    print(benchmark_table(rows))
    if few:
        print(f"\nThe {config.split} split has {len(chosen.tested)} crystals; count={config.count} asked for more.")
    print(f"\npage:   {printable(folder / 'benchmark.html')}\nfolder: {printable(folder)}")


def _check_distinct(what: str, names: Sequence[str]) -> None:
    """Refuse a name that stands for two things, which tables, curves and comparisons would mix."""
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise UserError(
            f"{what}: two have the name {twice}, and the tables would mix them: give each once, or copy one of two run "
            "folders with the same last name, e.g. `cp -r outputs/FOLDER outputs/NAME`"
        )


def _source_name(config: DictConfig) -> str:
    name = str(config.source._target_).rpartition(".")[2]
    return f"{name} {Path(config.source.path).name}" if "path" in config.source else name


def _contenders(config: DictConfig) -> list[Contender]:
    """Return the methods; the solver appears once for each of the starts, if there are any.

    Raises:
        UserError: starts are given without the solver or settings of a search without starts, or a method or start is
            unknown.
    """
    names = [str(name) for name in config.models]
    if config.search.starts and SOLVER not in names:
        raise UserError(
            f"starts=[{','.join(map(str, config.search.starts))}] are starts of the solver, which is not among the "
            f"models: add it, models=[{','.join([*names, SOLVER])}]"
        )
    idle = [key for key, value in _UNCHANGED.items() if config.search[key] != value and not config.search.starts]
    if idle:
        raise UserError(
            f"search.{idle[0]}={config.search[idle[0]]} changes the search of starts that are compared, and none are "
            f"named: name some, e.g. models=[{SOLVER}] starts=[flipping_unrolled]"
        )
    contenders: list[Contender] = []
    for name in names:
        if name == SOLVER and config.search.starts:
            contenders += [_solver(str(starts), config) for starts in config.search.starts]
        else:
            contenders.append(_contender(name, config.device, config.trust))
    return contenders


def _solver(name: str, config: DictConfig) -> Contender:
    """Return the solver with starts of this name; those of a network depend on its weights, too."""
    from dataclasses import replace

    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    from phaselearn.benchmark.contenders import composed_option, parameter_free
    from phaselearn.commands.session import method_of

    option, *changes = starts_words(f"starts={name}")
    option = option.removeprefix("starts=")
    training, weights = None, ""
    if changes:
        training, weights = _trained_on(name)
        changes.append(f"starts.trust={config.trust}")
    elif option_file("starts", option) is None:
        raise _unknown(name)
    starts = composed_option(config_directory(), "starts", option, *changes)
    if changes:
        instantiate(starts)  # a network that does not suit is told before a folder is taken
    model = plain_values(composed_option(config_directory(), "model", SOLVER))
    changed = {"seconds": config.search.seconds}
    if config.search.counts is not None:
        changed["counts"] = list(config.search.counts)
    refinement = model["refinement"] | {"composition_rounds": config.search.composition_rounds}
    parts = {"starts": plain_values(starts), "plan": model["plan"] | changed, "refinement": refinement}
    node = OmegaConf.create(model | parts)
    method = parameter_free(f"{SOLVER}:{short_name(name)}", node, lambda data: method_of(node, data), config.device)
    return replace(method, training=training, identity=method.identity + weights)


def _trained_on(name: str) -> tuple[TrainingSet | None, str]:
    """Return what the network of starts was trained on, None for the package's, and its SHA-256."""
    from phaselearn.commands.session import checkpoint_path
    from phaselearn.report.training_set import TrainingSet

    _, network = begin_and_network(name)
    if (Path(network) / CONFIG_FILE).is_file():
        weights = checkpoint_path(Path(network), "best").read_bytes()
        return TrainingSet.read(Path(network)), hashlib.sha256(weights).hexdigest()
    if network in cards():
        return None, cards()[network].sha256
    raise _unknown(name)


def _unknown(starts: str) -> UserError:
    return unknown_starts(starts, f"phaselearn benchmark models=[{SOLVER}]", listed=True)


def _contender(name: str, device: str, trusted: bool) -> Contender:
    from phaselearn.benchmark.contenders import parameter_free, trained
    from phaselearn.commands.session import (
        build_model,
        checkpoint_path,
        load_weights,
        method_config,
        method_of,
    )
    from phaselearn.commands.settings import check
    from phaselearn.report.training_set import TrainingSet

    folder = Path(name)
    if not (folder / CONFIG_FILE).is_file():
        config = method_config(name, "models", "phaselearn benchmark")
        return parameter_free(name, config, lambda data: method_of(config, data), device)
    again = command("phaselearn benchmark", f"models=[{setting('', name)[1:]}]", "trust=true")
    stranger = Stranger(str(folder / CONFIG_FILE), again)
    config = read_run_config(folder, stranger, trusted, without=("logger",))
    check(config, "train")
    checkpoint = checkpoint_path(folder, "best")

    def build(data: Any) -> Any:
        model = build_model(config, data.definition)
        load_weights(model, checkpoint)
        return model

    return trained(folder, config, TrainingSet.read(folder), checkpoint, build, device)
