"""`phaselearn predict`: apply a trained network to structures; write maps and a table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from phaselearn.commands.application import fail, run_application, typed_words
from phaselearn.commands.plain_config import plain_values
from phaselearn.commands.run_folder import own_folder
from phaselearn.errors import UserError
from phaselearn.quoting import command, printable, setting
from phaselearn.report.run_files import CONFIG_FILE

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from phaselearn.data.structures import Crystal, LeftOut
    from phaselearn.prediction.folder import PredictionSummary

_USAGE = "phaselearn predict run=outputs/FOLDER source=folder source.path=FOLDER"


def main() -> None:
    """Run the command."""
    run_application("predict", _predict)


def _predict(config: DictConfig) -> None:
    from phaselearn.commands.networks import find_network
    from phaselearn.commands.settings import check
    from phaselearn.errors import check_whole, choose

    # Before the imports, which take seconds.
    check(config, "predict")
    _check_one(config, ("run", "weights"), "a network")
    _check_one(config, ("source", "store"), "crystals")
    choose("checkpoint", config.checkpoint, ("best", "last"), command="phaselearn predict")
    check_whole("batch_size", config.batch_size, least=1, example=32)
    trusting = command("phaselearn predict", *typed_words(), "trust=true")
    network = find_network(config.run or config.weights, config.checkpoint, config.trust, trusting)

    import torch
    from hydra.core.hydra_config import HydraConfig
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    from phaselearn.commands.console import quiet_libraries
    from phaselearn.files import write_whole
    from phaselearn.prediction.folder import LEFT_OUT, write_predictions
    from phaselearn.progress import show_progress

    quiet_libraries()
    show_progress(not config.quiet)
    if str(config.device).startswith("cuda") and not torch.cuda.is_available():
        raise UserError(f"device={config.device}: no CUDA device is here, e.g. device=cpu")
    folder = Path(HydraConfig.get().runtime.output_dir)
    observation = instantiate(config.observation) if config.get("observation") else None
    predictor = network.predictor(observation, config.seed, config.batch_size, config.device)
    entries, count, fingerprint = _entries(config)
    values = plain_values(config)
    own = {key: values[key] for key in values if key not in ("output", "quiet", "trust")}
    settings = OmegaConf.create({**own, "fingerprint": fingerprint})
    words = [word for word in typed_words() if not word.startswith("output=")]
    again = command("phaselearn predict", *words, setting("output", folder))
    with own_folder(folder, settings, "give the command that began it to continue it"):
        write_whole(folder / CONFIG_FILE, OmegaConf.to_yaml(settings).encode())
        try:
            summary = write_predictions(
                folder,
                entries,
                count,
                predictor,
                longest_edge=config.longest_edge,
                training=network.training,
                maps=config.maps,
            )
        except KeyboardInterrupt:
            fail(f"stopped by Ctrl-C: continue with `{again}`", 130)
    _print_summary(folder, summary)
    if not summary.crystals:
        raise UserError(
            f"none of {summary.left_out:,} entries could be predicted: {printable(folder / LEFT_OUT)} has the reasons; "
            f"structures are needed, e.g. `{_USAGE}`"
        )


def _check_one(config: DictConfig, keys: tuple[str, str], needed: str) -> None:
    """Refuse a command that names neither or both of two things.

    Raises:
        UserError: it does.
    """
    given = [key for key in keys if config.get(key) not in (None, "")]
    if len(given) != 1:
        told = " and ".join(f"{key}=" for key in given) if given else f"predict without {needed}"
        raise UserError(f"{told}: {needed} by one of {keys[0]}= and {keys[1]}= is needed, e.g. `{_USAGE}`")


def _entries(config: DictConfig) -> tuple[Iterable[Crystal | LeftOut], int | None, str]:
    """Return the entries, their number (None if it is not known) and a digest that changes with them."""
    from hydra.utils import instantiate

    from phaselearn.data.store.pair_store import PairStore

    if config.store is None:
        source = instantiate(config.source)
        return source, len(source) or None, source.fingerprint()
    store = PairStore(config.store)
    crystals = (store.crystal(row) for row in range(len(store)))
    return crystals, len(store), store.attributes["source"]["fingerprint"]


def _print_summary(folder: Path, summary: PredictionSummary) -> None:
    from phaselearn.prediction.folder import LEFT_OUT, MAPS, TABLE

    seen = "" if summary.seen is None else f", {summary.seen:,} with formulas of the training"
    print(f"crystals: {summary.crystals:,}{seen}")
    if summary.judged < summary.crystals:
        print(f"          {summary.crystals - summary.judged:,} with too few reflections to judge")
    if summary.correlation is not None:
        print(
            f"CC:       median {summary.correlation:.3f}, with all phases zero {summary.floor:.3f}, gain "
            f"{summary.gain:.2f}; {summary.solved:,} of {summary.judged:,} solved (CC ≥ 0.90)".replace("-", "−")
        )
    if summary.left_out:
        print(f"left out: {summary.left_out:,}, see {printable(folder / LEFT_OUT)}")
    print(f"table:    {printable(folder / TABLE)}")
    if (folder / MAPS).is_dir():
        print(f"maps:     {printable(folder / MAPS)}")
