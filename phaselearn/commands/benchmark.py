"""`phaselearn benchmark`: every phasing method on the same crystals with the same |F|."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from phaselearn.commands.application import run_application, typed_command
from phaselearn.commands.options import config_directory, option_file
from phaselearn.commands.plain_config import plain_values, read_config
from phaselearn.commands.run_folder import own_folder
from phaselearn.commands.strangers import CONFIG_FILE, Stranger, read_run_config
from phaselearn.quoting import command, printable, setting

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from phaselearn.benchmark.runner import Contender


def main() -> None:
    """Run the command."""
    run_application("benchmark", _benchmark)


def _benchmark(config: DictConfig) -> None:
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
    from phaselearn.commands.settings import check
    from phaselearn.errors import UserError
    from phaselearn.files import write_whole
    from phaselearn.report.run import git_commit

    check(config, "benchmark")
    quiet_libraries()
    if str(config.device).startswith("cuda") and not torch.cuda.is_available():
        raise UserError(f"device={config.device}: no CUDA device is here, e.g. device=cpu")
    for key in ("count", "resamples", "batch_size"):
        if config[key] is None or config[key] < 1:
            raise UserError(f"{key}={config[key]}: at least 1 is needed, e.g. {key}=200")
    folder = Path(HydraConfig.get().runtime.output_dir)
    meanings = plain_values(config.regime)
    regimes = [regime_from(config_directory(), str(name), meanings) for name in config.regimes]
    contenders = [_contender(str(name), config.device, config.trust) for name in config.models]
    peers = [peer(str(name), config.peer_time_limit) for name in config.peers]
    if config.store is not None:
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
        homometry=config.homometry,
    )
    values = plain_values(config)
    del values["run"]  # a folder may be moved
    own = OmegaConf.create(values)
    facts = {
        "crystals": f"{len(chosen.tested)} of {config.store or _source_name(config)}, split {config.split}",
        "commit": git_commit(),
        "command": typed_command("benchmark"),
    }
    with own_folder(folder, own, "give the command that began it to continue it"):
        write_whole(folder / CONFIG_FILE, OmegaConf.to_yaml(own).encode())
        rows = run_benchmark(folder, chosen, regimes, contenders, peers, plan, facts)
    print(benchmark_table(rows))
    print(f"\npage:   {printable(folder / 'benchmark.html')}\nfolder: {printable(folder)}")


def _source_name(config: DictConfig) -> str:
    name = str(config.source._target_).rpartition(".")[2]
    return f"{name} {Path(config.source.path).name}" if "path" in config.source else name


def _contender(name: str, device: str, trusted: bool) -> Contender:
    from omegaconf import OmegaConf

    from phaselearn.benchmark.contenders import parameter_free, trained
    from phaselearn.commands.session import (
        build_method,
        build_model,
        checkpoint_path,
        load_weights,
        read_training_set,
    )
    from phaselearn.commands.settings import check

    folder = Path(name)
    if not (folder / CONFIG_FILE).is_file():
        path = option_file("model", name)
        config = read_config(path) if path else OmegaConf.create({})
        return parameter_free(name, config, lambda data: build_method(name, data), device)
    again = command("phaselearn benchmark", f"models=[{setting('', name)[1:]}]", "trust=true")
    stranger = Stranger(str(folder / CONFIG_FILE), again)
    config = read_run_config(folder, stranger, trusted, without=("logger",))
    check(config, "train")
    checkpoint = checkpoint_path(folder, "best")

    def build(data: Any) -> Any:
        model = build_model(config, data)
        load_weights(model, checkpoint)
        return model

    return trained(folder, config, read_training_set(folder), checkpoint, build, device)
