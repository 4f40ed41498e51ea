"""`phaselearn evaluate run=FOLDER`: test a finished run again, on any data or observation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from phaselearn.commands.application import run_application, typed_command
from phaselearn.commands.run_folder import own_folder
from phaselearn.quoting import command, setting

if TYPE_CHECKING:
    from omegaconf import DictConfig


def main() -> None:
    """Run the command."""
    run_application("evaluate", _evaluate)


def _evaluate(config: DictConfig) -> None:
    from hydra.core.hydra_config import HydraConfig

    from phaselearn.commands.console import quiet_libraries
    from phaselearn.commands.memory import keep_freed_memory
    from phaselearn.commands.same_crystals import check_source, check_unchanged
    from phaselearn.commands.session import (
        build_data,
        build_method,
        build_model,
        checkpoint_path,
        load_weights,
    )
    from phaselearn.commands.settings import check, check_shown
    from phaselearn.commands.summary import print_summary
    from phaselearn.progress import announce, show_progress
    from phaselearn.report.option_names import OPTIONS_FILE, name_of, read_options
    from phaselearn.report.run import write_run
    from phaselearn.report.training_set import TrainingSet

    check(config, "train")
    check_shown(config)
    quiet_libraries()
    show_progress(not config.get("quiet", False))
    keep_freed_memory()
    folder = Path(HydraConfig.get().runtime.output_dir)
    run = folder.parent.parent
    seen = TrainingSet.read(run)
    data = build_data(config, seen=seen.prototypes)
    overrides = HydraConfig.get().overrides.task
    check_source(data, overrides)
    check_unchanged(data, seen, overrides, command("phaselearn evaluate", setting("run", run)))
    data.prepare_data()
    model = build_model(config, data.definition)
    checkpoint = checkpoint_path(run, config.evaluation.checkpoint)
    load_weights(model, checkpoint)
    if config.evaluation.get("level") == "none":  # so it was trained, and now it is to be judged
        config.evaluation.level = "full"
    methods = {str(name): build_method(str(name), data) for name in config.evaluation.methods}
    formulas = data.store().formulas()[data.rows(config.evaluation.split)].tolist()
    known = sum(map(seen.has_seen, formulas))
    if known:
        announce(f"warning: training has seen the formulas of {known} of the {len(formulas)} crystals of this split")
    facts = {
        "checkpoint": str(checkpoint),
        "formulas seen in training": f"{known} of the {len(formulas)} crystals of the split",
        **seen.facts(),
        "command": typed_command("evaluate"),
    }
    name = name_of("model", read_options(run / OPTIONS_FILE), config)
    with own_folder(folder, None, ""):
        rows = write_run(folder, name, config, data, model, methods, run / "metrics.csv", facts)
    print_summary(folder, rows, config.get("quiet", False))
