"""`phaselearn evaluate run=FOLDER`: test a finished run again, on any data or observation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from phaselearn.commands.application import run_application, typed_command
from phaselearn.commands.run_folder import own_folder

if TYPE_CHECKING:
    from omegaconf import DictConfig


def main() -> None:
    """Run the command."""
    run_application("evaluate", _evaluate)


def _evaluate(config: DictConfig) -> None:
    from hydra.core.hydra_config import HydraConfig

    from phaselearn.commands.console import quiet_libraries
    from phaselearn.commands.memory import keep_freed_memory
    from phaselearn.commands.session import (
        build_data,
        build_method,
        build_model,
        checkpoint_path,
        load_weights,
        read_training_set,
    )
    from phaselearn.commands.settings import check, check_shown
    from phaselearn.commands.summary import print_summary
    from phaselearn.progress import show_progress
    from phaselearn.report.option_names import OPTIONS_FILE, name_of, read_options
    from phaselearn.report.run import write_run

    check(config, "train")
    check_shown(config)
    quiet_libraries()
    show_progress(not config.get("quiet", False))
    keep_freed_memory()
    folder = Path(HydraConfig.get().runtime.output_dir)
    run = folder.parent.parent
    seen = read_training_set(run)
    data = build_data(config, seen=frozenset(seen["prototypes"]))
    data.prepare_data()
    model = build_model(config, data.definition)
    checkpoint = checkpoint_path(run, config.evaluation.checkpoint)
    load_weights(model, checkpoint)
    if config.evaluation.get("level") == "none":  # so it was trained, and now it is to be judged
        config.evaluation.level = "full"
    methods = {str(name): build_method(str(name), data) for name in config.evaluation.methods}
    formulas = set(seen["formulas"])
    known = sum(formula in formulas for formula in data.store().formulas()[data.rows(config.evaluation.split)])
    facts = {
        "checkpoint": str(checkpoint),
        "formulas seen in training": f"{known} crystals of the split",
        "command": typed_command("evaluate"),
    }
    name = name_of("model", read_options(run / OPTIONS_FILE), config)
    with own_folder(folder, None, ""):
        rows = write_run(folder, name, config, data, model, methods, run / "metrics.csv", facts)
    print_summary(folder, rows, config.get("quiet", False))
