"""`phaselearn train`: build the data if it is missing, train, test, write the run folder and its report."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from phaselearn.commands.application import fail, run_application, typed_command, typed_words
from phaselearn.commands.plain_config import plain_values
from phaselearn.commands.run_folder import own_folder
from phaselearn.quoting import command, printable, setting
from phaselearn.report.run_files import CONFIG_FILE

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from pytorch_lightning.loggers import Logger

    from phaselearn.data.datamodule import PairDataModule
    from phaselearn.models.base import DensityModel
    from phaselearn.search.trial import SearchTrial


def main() -> None:
    """Run the command."""
    run_application("train", _train)


def _train(config: DictConfig) -> float | None:
    """Train and return the best value of `optimize`."""
    from functools import partial

    from phaselearn.search.trial import current_trial

    trial = current_trial()
    return _run(config, None) if trial is None else trial.carry_out(partial(_run, config, trial))


def _run(config: DictConfig, trial: SearchTrial | None) -> float | None:
    from phaselearn.commands.settings import check, check_shown

    check(config, "train")  # before the imports, which take seconds

    import pytorch_lightning as pl
    import torch
    from hydra.core.hydra_config import HydraConfig

    from phaselearn.commands.advice import advice
    from phaselearn.commands.console import quiet_libraries
    from phaselearn.commands.initial_weights import begin_with, seen_before
    from phaselearn.commands.loggers import build_loggers
    from phaselearn.commands.memory import keep_freed_memory
    from phaselearn.commands.session import build_data, build_method, build_model, check_trains
    from phaselearn.commands.trainer import compile_forward
    from phaselearn.progress import announce, show_progress
    from phaselearn.tracking.tracker import tracked

    check_shown(config)
    quiet_libraries()
    show_progress(not config.get("quiet", False))
    keep_freed_memory()
    torch.set_float32_matmul_precision(config.float32_matmul_precision)
    folder = Path(HydraConfig.get().runtime.output_dir)
    pl.seed_everything(config.seed, workers=True, verbose=False)

    option = HydraConfig.get().runtime.choices.get("model")
    data = build_data(config, seen_before=seen_before(folder, config.get("weights"), option).prototypes)
    # The model is built before the data, which may take long: a mistake in it shows at once.
    model = build_model(config, data.definition)
    check_trains(option, model)
    if config.get("weights") is not None and not (folder / "last.ckpt").exists():
        config.weights = begin_with(model, str(config.weights), option)
    for line in advice(config, model):
        announce(f"warning: {line}")
    if config.get("compile") is not None:
        compile_forward(model, config.compile)
    methods = {str(name): build_method(str(name), data) for name in config.evaluation.methods}
    loggers = build_loggers(config, folder)
    plain = _without_paths(config)
    with _owned(folder, plain, is_new="run" in config), tracked(loggers):
        return _fit_and_judge(config, plain, folder, data, model, methods, loggers, trial)


def _owned(folder: Path, plain: DictConfig, is_new: bool) -> AbstractContextManager[None]:
    """Hold the run folder; if several processes train together, the first one holds it for all of them."""
    from pytorch_lightning.utilities import rank_zero_only

    if getattr(rank_zero_only, "rank", 0) != 0:  # Lightning keeps the rank as an attribute of this function
        return nullcontext()
    go_on = command("phaselearn train", setting("resume", folder))
    return own_folder(folder, plain if is_new else None, f"resume it with `{go_on}`")


def _fit_and_judge(
    config: DictConfig,
    plain: DictConfig,
    folder: Path,
    data: PairDataModule,
    model: DensityModel,
    methods: dict[str, DensityModel],
    loggers: list[Logger],
    trial: SearchTrial | None,
) -> float | None:
    import time

    from hydra.core.hydra_config import HydraConfig
    from hydra.utils import instantiate
    from omegaconf import OmegaConf
    from pytorch_lightning.utilities.exceptions import SIGTERMException

    from phaselearn.callbacks.hyperparameters import Hyperparameters
    from phaselearn.callbacks.learning_rate_finder import RateFound
    from phaselearn.callbacks.objective import Objective
    from phaselearn.callbacks.requeue import Requeued
    from phaselearn.callbacks.step_seeds import StepSeeds
    from phaselearn.commands.initial_weights import seen_before
    from phaselearn.commands.loggers import run_facts, store_facts
    from phaselearn.commands.processes import together
    from phaselearn.commands.resumed import state_to_resume
    from phaselearn.commands.same_crystals import check_source, check_unchanged
    from phaselearn.commands.session import load_weights
    from phaselearn.commands.summary import print_summary, print_training
    from phaselearn.commands.trainer import build_trainer
    from phaselearn.files import write_whole
    from phaselearn.report.option_names import OPTIONS_FILE, name_of, read_options, write_options
    from phaselearn.report.run import write_run
    from phaselearn.report.run_files import COMMAND_FILE, write_command
    from phaselearn.report.run_folders import PRUNED_FILE
    from phaselearn.report.training_set import TrainingSet
    from phaselearn.tracking.tracker import EpochStarts, trackers

    last = folder / "last.ckpt"
    resumed = last if last.exists() else None
    # Before anything is written: a run whose checkpoint does not fit its configuration could not go on.
    checkpoint = {"epoch": -1, "step": 0} if resumed is None else state_to_resume(folder, plain, model)
    data.check_endless()
    overrides, choices = HydraConfig.get().overrides.task, HydraConfig.get().runtime.choices
    earlier = seen_before(folder, config.get("weights"), choices.get("model"))
    go_on = command("phaselearn train", setting("resume", folder))
    check_source(data, overrides)
    if resumed is not None:
        # The words of a command that is given again are those that began the run.
        check_unchanged(data, earlier, () if "run" in config else overrides, go_on)
    data.prepare_data()
    data.check_trainable()
    callbacks = [instantiate(node) for node in config.callbacks.values()] if config.callbacks else []
    objective = Objective(config.optimize, config.direction, trial.is_hopeless if trial is not None else None)
    callbacks += [EpochStarts(), StepSeeds(config.seed), objective, Hyperparameters(plain_values(plain))]
    trainer = build_trainer(config, folder, callbacks, loggers)

    if trainer.is_global_zero:
        (folder / PRUNED_FILE).unlink(missing_ok=True)  # a run that was given up may be resumed
        # The file is written in one step: a run with half a configuration could not be resumed.
        write_whole(folder / CONFIG_FILE, OmegaConf.to_yaml(plain, resolve=True).encode())
        seen = TrainingSet.of(data).after(earlier)
        seen.write(folder)
        write_command(folder / COMMAND_FILE, overrides, resumed="run" not in config)
        write_options(folder / OPTIONS_FILE, choices, overrides)
    for tracker in trackers(loggers):
        tracker.rewind(checkpoint["epoch"] + 1, checkpoint["step"])
        tracker.log_run(run_facts(plain_values(plain)), store_facts(data))
    start = time.monotonic()
    try:
        with together(typed_words()):
            trainer.fit(model, datamodule=data, ckpt_path=resumed, weights_only=True)
    except RateFound:
        return None
    except Requeued:
        raise
    except SystemExit as stop:
        # Lightning exits in this way on Ctrl-C and on SIGTERM, and on SIGTERM with the code of success.
        stopped, code = ("SIGTERM", 143) if isinstance(stop, SIGTERMException) else ("Ctrl-C", 130)
        again = f"`{go_on}`" if trial is None else "the same command"
        fail(f"stopped by {stopped}: continue with {again}", code)
    seconds = time.monotonic() - start
    if not trainer.is_global_zero:
        return None
    if trial is not None and trial.is_given_up():
        print(f"folder: {printable(folder)} (trial {trial.number}, given up)")
        return objective.best

    # Without a validation no weights are the best.
    kept = next((path for path in (folder / f"{config.evaluation.checkpoint}.ckpt", last) if path.exists()), None)
    judges = config.evaluation.get("level") != "none"
    if judges and kept is not None:
        load_weights(model, kept)
    weights = "the weights that it began with" if kept is None else kept.name
    facts = {
        "trained": f"{trainer.current_epoch} epochs of {data.crystals_an_epoch()} crystals in {seconds:.0f} s",
        "weights": weights,
        **seen.facts(),
        "command": typed_command("train"),
    }
    start = time.monotonic()
    name = name_of("model", read_options(folder / OPTIONS_FILE), plain)
    rows = write_run(folder, name, plain, data, model, methods, folder / "metrics.csv", facts) if judges else []
    for tracker in trackers(loggers):
        tracker.log_results(folder, rows, trainer.global_step - 1)
    print_summary(folder, rows, config.get("quiet", False))
    if not config.get("quiet", False):
        if trainer.max_steps > 0:
            longer = [f"trainer.max_steps={2 * trainer.max_steps}"]
        elif trainer.max_epochs == -1:  # its time ended it, and counts anew
            longer = []
        else:
            longer = [f"trainer.max_epochs={2 * max(1, trainer.current_epoch, trainer.max_epochs or 0)}"]
        judging = time.monotonic() - start if judges else None
        print_training(folder, weights, objective, facts["trained"], judging, longer)
    return objective.best


def _without_paths(config: DictConfig) -> DictConfig:
    """Return the configuration without the keys that name the run's place, since a folder may be moved."""
    from omegaconf import OmegaConf

    values = plain_values(config)
    for key in ("run", "resume", "trust", "experiment", "sweep"):
        values.pop(key, None)
    return OmegaConf.create(values)
