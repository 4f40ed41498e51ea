"""Judge a trained network beside the parameter-free methods, and write all that a run folder shows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from phaselearn.callbacks.peak_memory import peak_memory
from phaselearn.data.datamodule import PairDataModule
from phaselearn.data.loading.dataset import PairDataset
from phaselearn.data.loading.loader import PairLoader
from phaselearn.files import write_csv, write_whole
from phaselearn.metrics.phasing import summarise
from phaselearn.models.base import DensityModel
from phaselearn.progress import announce, is_watched
from phaselearn.report.commit import git_commit
from phaselearn.report.comparison_tables import comparison_markdown, symmetry_rows, vector_rows
from phaselearn.report.curves import read_curves
from phaselearn.report.figures import write_figures
from phaselearn.report.named_crystals import cell_of_named, named_loader
from phaselearn.report.observation_text import observation_text
from phaselearn.report.page import write_page
from phaselearn.report.results import ResultRow
from phaselearn.report.run_files import CRYSTALS_FILE, NAMED_FILE, REPORT_FILE, RESULTS_FILE
from phaselearn.report.showcase import choose_by_rank, show_crystals
from phaselearn.report.volumes import write_ccp4, write_cube


def judge_methods(
    methods: Mapping[str, DensityModel], loader: PairLoader, trainer_options: Mapping[str, Any]
) -> tuple[dict[str, dict[str, Tensor]], dict[str, float]]:
    """Return the judgements of each method on the same crystals, crystal by crystal, and its seconds per crystal.

    The seconds are of the processor and include the judgement, which takes the same for every method.
    """
    judged, seconds = {}, {}
    for name, model in methods.items():
        trainer = pl.Trainer(
            **trainer_options,
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=is_watched(),
        )
        announce(f"testing {name} on {len(loader.dataset)} crystals")
        start = time.process_time()
        trainer.test(model, dataloaders=loader, verbose=False)
        seconds[name] = (time.process_time() - start) / max(1, len(loader.dataset))
        judged[name] = {key: values.cpu() for key, values in model.test_metric.crystals().items()}
    return judged, seconds


def result_rows(judged: Mapping[str, dict[str, Tensor]], seconds: Mapping[str, float]) -> list[ResultRow]:
    """Return the rows of the table: each method on all crystals, and on each subset with judged crystals."""
    summaries = {name: summarise(crystals) for name, crystals in judged.items()}
    subsets = list(next(iter(summaries.values())))
    return [
        ResultRow(
            method=name,
            subset=subset,
            n=int(summary[subset]["n"]),
            solved=summary[subset]["solved"],
            strict=summary[subset]["strict"],
            median_cc=summary[subset]["median_cc"],
            gain=summary[subset]["gain"],
            phase_error=summary[subset]["phase_error"],
            left_out=int(summary[subset]["left_out"]),
            failed=int(summary[subset]["failed"]),
            seconds=seconds[name],
        )
        for subset in subsets
        for name, summary in summaries.items()
        if summary[subset]["n"] or subset == "all"
    ]


def write_run(
    folder: Path,
    name: str,
    config: DictConfig,
    data: PairDataModule,
    model: DensityModel,
    methods: Mapping[str, DensityModel],
    curves_from: Path,
    facts: Mapping[str, str],
) -> list[ResultRow]:
    """Judge, and write the tables; unless `evaluation.level` is `table`, also figures/, maps/ and report.html.

    The crystals of `evaluation.also_shown` are shown first and judged separately (also_shown.csv): a chosen crystal
    says nothing about the split.

    Args:
        folder: run folder.
        name: name of the network.
        config: the run's configuration.
        data: data module of the run.
        model: the trained network.
        methods: parameter-free models by name, which are judged on the same crystals.
        curves_from: metrics.csv of the training run.
        facts: further facts for the page by name.

    Returns:
        The rows of the table.
    """
    split, data_facts = _split_with_crystals(data, config.evaluation.split)
    loader = data.evaluation_loader(split, config.evaluation.crystals)
    options = {"accelerator": config.trainer.accelerator, "precision": config.trainer.precision}
    judged, seconds = judge_methods({name: model, **methods}, loader, options)
    rows = result_rows(judged, seconds)

    dataset: PairDataset = loader.dataset
    _write_table(folder / RESULTS_FILE, [row.as_dict() for row in rows])
    _write_table(folder / CRYSTALS_FILE, _crystal_rows(judged, dataset))
    named = list(config.evaluation.get("also_shown") or ())
    if named:
        named_crystals = named_loader(data, named, cell_of_named(config.source.get("cell")), folder / "also_shown.zarr")
        judged_named, _ = judge_methods({name: model, **methods}, named_crystals, options)
        _write_table(folder / NAMED_FILE, _crystal_rows(judged_named, named_crystals.dataset))
    if config.evaluation.get("level") == "table":
        return rows
    shown = show_crystals(model, dataset, judged[name], choose_by_rank(judged[name], config.evaluation.shown))
    if named:
        places = list(range(len(named_crystals.dataset)))
        shown = show_crystals(model, named_crystals.dataset, judged_named[name], places) + shown
    curves = read_curves(curves_from) if curves_from.exists() else None
    facts = {
        "model": f"{name} ({sum(p.numel() for p in model.parameters()):,} parameters)",
        "data": f"{data.configured_store.path()}: {data.definition.extent}, "
        f"{data.store().attributes['source']['name']}",
        "observation": observation_text(data.preparation.observation),
        "judged on": f"{len(dataset)} crystals of the {split} split",
        **data_facts,
        **facts,
        "peak memory": f"{peak_memory() / 2**10:.2f} GiB",
        "commit": git_commit(),
    }
    _write_table(folder / "vectors.csv", vector_rows(shown))
    _write_table(folder / "symmetry.csv", symmetry_rows(shown))
    write_whole(folder / "shown.md", comparison_markdown(shown).encode())
    (folder / "maps").mkdir(exist_ok=True)
    for crystal in shown:
        for what in ("truth", "prediction"):
            stem = f"{folder / 'maps' / crystal.file_stem}_{what}"
            density = getattr(crystal, what)
            write_ccp4(Path(f"{stem}.ccp4"), density, crystal.lattice)
            write_cube(Path(f"{stem}.cube"), density, crystal.lattice, crystal.numbers, crystal.positions)
    write_figures(folder / "figures", curves, judged[name], shown)
    write_page(
        folder / REPORT_FILE,
        title=f"{name} on {config.data.name}",
        facts=facts,
        table=rows,
        curves=curves,
        crystals=shown,
        config_text=OmegaConf.to_yaml(config, resolve=True),
        evaluated=curves_from.parent != folder,
    )
    return rows


def _split_with_crystals(data: PairDataModule, split: str) -> tuple[str, dict[str, str]]:
    if split == "test" and len(data.rows("test")) == 0 and len(data.rows("validation")):
        return "validation", {"note": "this store has no test crystals (their formulas are kept elsewhere)"}
    return split, {}


def _crystal_rows(judged: Mapping[str, dict[str, Tensor]], dataset: PairDataset) -> list[dict[str, Any]]:
    store = dataset.store
    return [
        {
            "method": name,
            "id": str(store.ids()[row]),
            "formula": str(store.formulas()[row]),
            "prototype": str(store.prototypes()[row]),
            **{key: values[place].item() for key, values in crystals.items() if key != "row"},
        }
        for name, crystals in judged.items()
        for place, row in enumerate(crystals["row"].tolist())
    ]


def _write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    if rows:
        write_csv(path, rows, list(rows[0]))
