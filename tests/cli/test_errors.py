"""A mistake is one line on stderr that says what was given and what helps, and exit code 2."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import zarr

from phaselearn.data.store.files import shard_key
from tests.cli.folders import PHASELEARN, SMALL, TRAIN, command
from tests.cli.inside import call, new_folder
from tests.thinned import thinned

QUICK = (*SMALL, "data=hkl10", "data.store=octant.zarr", "trainer.max_epochs=1", "evaluation=none")
Failing = Callable[..., str]
HUNGRY = """
import torch
from pytorch_lightning import Callback

class Hungry(Callback):
    def on_fit_start(self, *_):
        torch.empty(10**15)
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small octant store and a run on it, and everything that can be wrong beside them."""
    with new_folder(tmp_path_factory) as folder:
        assert call("train", *QUICK, "run=run") == 0
        assert call("prepare", "source.count=20", "data=hkl20", "data.store=twenty.zarr") == 0
        _break_things(folder)
    return folder


def _break_things(folder: Path) -> None:
    shutil.copytree(folder / "run", folder / "damaged_run")
    (folder / "damaged_run" / "best.ckpt").write_bytes(b"PK not a checkpoint")
    (folder / "empty").mkdir()
    (folder / "garbage").mkdir()
    for name in ("a.cif", "POSCAR", "b.json"):
        (folder / "garbage" / name).write_text("nothing that a parser knows\n")
    (folder / "garbage.jsonl").write_text('not json\n{"lattice": 1}\n')
    zarr.open_group(folder / "other.zarr", mode="w").attrs.update({"schema": "other", "schema_version": 3})
    shutil.copytree(folder / "octant.zarr", folder / "half.zarr.partial")
    (folder / "half.zarr.partial" / "manifest.json").unlink()
    (folder / "half.zarr.partial" / "building").mkdir()
    (folder / "half.zarr.partial" / "building" / "recipe.json").write_text("{}")
    shutil.copytree(folder / "octant.zarr", folder / "damaged.zarr")
    file = folder / "damaged.zarr" / shard_key("density", 0)
    content = bytearray(file.read_bytes())
    # Everything but the index at the end of the shard.
    content[: len(content) // 2] = bytes(len(content) // 2)
    file.write_bytes(content)
    (folder / "needs_memory.py").write_text(HUNGRY)
    (folder / "needs_missing.py").write_text("import a_package_that_nobody_has\n\nclass Net: ...\n")


def _the_one_line(printed: str) -> str:
    assert "Traceback" not in printed
    lines = [line for line in printed.splitlines() if line.strip()]
    assert len(lines) == 1, printed
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.fixture
def failing(workplace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Failing:
    """Run a command that must fail, and return its line."""
    monkeypatch.chdir(workplace)
    monkeypatch.syspath_prepend(str(workplace))
    capfd.readouterr()

    def run(*arguments: str) -> str:
        assert call(*arguments) == 2
        printed = capfd.readouterr()
        assert "Traceback" not in printed.out
        return _the_one_line(printed.err)

    return run


DAMAGED = ("chunk ", "damaged.zarr", "density", "repair=true")
CONFIGURATION = [
    ("train model=unet3", ["model=unet3", "unet3d", "did you mean unet3d"]),
    ("train model=UNet3D", ["did you mean unet3d"]),
    ("train hydra/launcher=jobib", ["hydra/launcher=jobib", "basic", "did you mean joblib"]),
    ("train data=hkl30", ["data=hkl30", "hkl20_full"]),
    ("train loss=mae", ["loss=mae", "correlation", "did you mean mse"]),
    ("train trianer=cpu", ["did you mean trainer"]),
    ("train sead=1", ["did you mean seed"]),
    ("benchmark model.plan.counts=[1]", ["'model' is not a key", "did you mean models"]),
    ("train data.batchsize=4", ["did you mean data.batch_size"]),
    ("train data.cache=none", ["did you mean data.loading.cache"]),
    ("train data.augmentation.axis=true", ["did you mean data.augmentation.axes"]),
    ("train data.augmentaton.axes=true", ["'data.augmentaton' is not a key", "did you mean data.augmentation"]),
    ("train +model.hidden_size=[10]", ["did you mean hidden_sizes"]),
    ("train trainer.max_epochs=abc", ["trainer.max_epochs='abc'", "int"]),
    ("train data.batch_size=1.5", ["data.batch_size=1.5: a whole number"]),
    ("train trainer.precision=bf16-mixed trainer.gradient_clip_val=1.0", ["add optim.optimizer.fused=false"]),
    ("train float32_matmul_precision=tf32", ["highest, high, medium"]),
    ("train seed=x", ["seed='x'", "int"]),
    ("train model.hidden_sizes=abc", ["model.hidden_sizes='abc'"]),
    ("train data.train_size=1.5", ["data.train_size=1.5: a whole number"]),
    ("train data.endless=true source=synthetic", ["data.endless=True: a whole number"]),
    ("train +data.loading.batch_size=4", ["batch_size=4 is set within a node", "leave it out"]),
    ("train data.definition.layout=shell", ["shell", "octant", "full", "sphere"]),
    (
        "train data=sphere1.0 model=cnn",
        ["needs boxes of one size", "model=unrolled", "hkl20_full"],
    ),
    ("train data=sphere1.0 model=mlp", ["MultilayerPerceptron needs boxes of one size"]),
    ("train data=sphere1.0 model=unet3d", ["UNet3D needs boxes of one size"]),
    ("train data=hkl20_full data.definition.layout=sphere", ["size=20 is the size of one box", "take data=sphere1.0"]),
    ("train data.loading.cache=disk", ["data.loading.cache=disk", "ram"]),
    (
        "train data=hkl10_full data.definition.frame=cartesian loss=energy",
        ["EnergyDistance", "data.definition.frame=fractional"],
    ),
    (
        "train data=hkl10_full data.definition.frame=cartesian loss=combined",
        ["Combined", "data.definition.frame=fractional"],
    ),
    ("benchmark models=null", ["models=null, list is needed"]),
    ("benchmark batch_size=null", ["batch_size=null, int is needed"]),
    ("benchmark models=[solver] starts=random", ["search.starts='random' is str, list is needed"]),
    ("train evaluation.split=tset", ["evaluation.split=tset", "test"]),
    ("train training_observation=lab1.2", ["training_observation=lab1.2", "+observation@training_observation="]),
    ("train evaluation.methods=[phase_one]", ["phase_one", "phase_zero"]),
    ("train evaluation.methods=[mlp]", ["mlp", "phase_zero"]),
    ("train evaluation.also_shown=[nothing.cif]", ["no file nothing.cif", "evaluation.also_shown=[alpha_F2]"]),
    ("train evaluation.also_shown=alpha_F2", ["a list is needed", "evaluation.also_shown=[alpha_F2]"]),
    ("train evaluation.also_shown=[garbage/a.cif]", ["garbage/a.cif cannot be used", "no structure in the file"]),
    ("train model._target_=needs_missing.Net", ["a_package_that_nobody_has", "needs_missing.Net"]),
    ("train model._target_=nowhere.Net", ["nowhere"]),
    ("train logger=wandbb", ["logger=wandbb", "tensorboard", "did you mean wandb"]),
    ("train logger=wandb +logger.wandb.tag=[a]", ["logger.wandb.tag", "did you mean tags"]),
    ("train +logger._target_=phaselearn.tracking.csv_logger.ContinuedCSVLogger", ["a set of named ones is needed"]),
    ("dashboard crystal=3", ["did you mean crystals"]),
    ("train source=folder", ["source.path"]),
    ("train data.batch_size=[", ["data.batch_size=["]),
    ("prepare sorce=file", ["did you mean source"]),
    ("trian", ["did you mean `phaselearn train`"]),
    ("train model=mlp model=cnn", ["model=mlp and model=cnn", "chosen twice"]),
    ("train loss=null", ["loss=null chooses nothing", "mse"]),
    ("train ~loss", ["every run needs an option of loss"]),
    ("train =3", ["a value without a key"]),
    ("train callbacks=[default,emma]", ["callbacks=[emma]", "did you mean ema"]),
    ("train data=hkl10 data.store=octant.zarr callbacks=[default,ema] callbacks.ema.decay=2.0", ["decay value 2.0"]),
    ("train profiler=slow", ["profiler=slow", "simple"]),
    ("train compile=indcutor", ["compile=indcutor", "compile=inductor"]),
    ("train quiet=maybe", ["quiet='maybe'", "bool"]),
    ("train optim.optimizer.lr=-1", ["Invalid learning rate: -1", "optim.optimizer.lr=1e-3"]),
    ("train optim.optimizer.lr=fast", ["optim.optimizer cannot be built", "optim.optimizer.lr=1e-3"]),
    ("train seed=-1", ["seed=-1", "4294967295"]),
    ("train trainer.accumulate_grad_batches=0", ["trainer.accumulate_grad_batches=0", "at least 1"]),
    ("train data=hkl10 data.store=octant.zarr trainer.max_time=10min", ["10min"]),
    ("train data.loading.cache_limit=5", ["data.loading.cache_limit=5", "from 0 to 1"]),
    ("train data.definition.b_iso=-1", ["data.definition.b_iso=-1", "at least 0"]),
    ("train model=charge_flipping weights=default", ["model=charge_flipping has nothing to train"]),
    ("train weights=nowhere.ckpt", ["weights=nowhere.ckpt", "unrolled", "weights=default"]),
    ("train weights=run model.hidden_sizes=[3]", ["best.ckpt is of another model or grid"]),
    ("train model=cnn model.width=0", ["model.width=0"]),
    ("train model.hidden_sizes=[0]", ["model.hidden_sizes=[0]", "at least 1"]),
    (
        "train data=hkl10 data.store=octant.zarr +callbacks.hungry._target_=needs_memory.Hungry",
        ["there is not enough memory", "data.batch_size=8"],
    ),
    ("train run=empty/../garbage.jsonl/run", ["garbage.jsonl", "run=outputs/NAME"]),
    ("train evaluation=3", ["evaluation=3 is unknown", "full, none, table"]),
    ("train evaluation=null", ["evaluation=null chooses nothing", "full, none, table"]),
    ("train evaluation.level=tables", ["evaluation.level=tables is unknown", "did you mean table"]),
    ("train ~evaluation", ["every run needs an option of evaluation"]),
    ("benchmark regime=null", ["regime=None is a value", "a set of keys is needed"]),
    ("train evaluation.methods=[3]", ["evaluation.methods=[3] is unknown", "phase_zero"]),
    ("train evaluation.methods=phase_zero", ["a list is needed", "evaluation.methods=[phase_zero]"]),
    ("train observation=3", ["observation=3 is unknown", "ideal"]),
    ("prepare data=2.5", ["data=2.5 is unknown", "hkl10_full"]),
    ("benchmark regime=3", ["regime=3 is a value", "`phaselearn benchmark --cfg job -p regime`"]),
    ("benchmark regime.full20=3", ["regime.full20=3", "observation: ideal"]),
    ("benchmark count=null", ["count=null", "int is needed"]),
    ("benchmark count=0", ["count=0", "at least 1"]),
    ("benchmark source.count=30 models=[nothing]", ["nothing", "charge_flipping"]),
    ("benchmark source.count=30 models=[solver] starts=[nothing]", ["starts=[nothing]", "unrolled"]),
    ("benchmark starts=[random]", ["starts=[random]", "models=[phase_zero,random_phase,charge_flipping,raar,solver]"]),
    ("benchmark source.count=30 models=[solver] starts=[random] search.counts=[2,1]", ["counts=[2, 1]"]),
    (
        "benchmark source.count=30 models=[solver] starts=[random] search.composition_rounds=-1",
        ["composition_rounds=-1", "composition_rounds=6"],
    ),
    (
        "benchmark models=[solver] search.composition_rounds=6",
        ["search.composition_rounds=6", "starts=[flipping_unrolled]"],
    ),
    ("benchmark models=[solver] search.seconds=1", ["search.seconds=1", "starts=[flipping_unrolled]"]),
    ("benchmark regimes=[nothing]", ["regimes=[nothing]", "d1.5"]),
    ("benchmark regimes=[d2.0,d2.0]", ["regimes: two have the name d2.0", "`cp -r"]),
    ("benchmark models=[phase_zero,phase_zero]", ["methods: two have the name phase_zero"]),
    ("benchmark models=[solver] starts=[random,random]", ["methods: two have the name solver:random"]),
]
DATA = [
    ("train source=folder source.path=empty", ["empty"]),
    ("train source=folder source.path=garbage", ["no usable structure"]),
    ("train source=folder source.path=missing", ["`phaselearn train source=folder source.path=FOLDER`"]),
    ("prepare source=folder source.path=missing", ["`phaselearn prepare source=folder source.path=FOLDER`"]),
    ("train source=file source.path=missing.jsonl", ["missing.jsonl", "is not a file"]),
    ("train source=file source.path=garbage.jsonl", ["no usable structure"]),
    ("train data.store=other.zarr", ["schema other version 3", "overwrite=true"]),
    ("train data.store=half.zarr.partial data=hkl10", ["half built", "finish it with the command that began it"]),
    ("train data=hkl10_full data.store=octant.zarr", ["octant", "asked full"]),
    ("train data=hkl10 data.store=octant.zarr data.train_size=9999", ["9999", "train_size"]),
    ("train data=hkl10 data.store=damaged.zarr data.loading.cache=none run=outputs/streamed", DAMAGED),
    ("train data=hkl10 data.store=damaged.zarr data.loading.cache=ram run=outputs/in_memory", DAMAGED),
    (
        "train data=hkl10 data.store=damaged.zarr data.loading.cache=none data.loading.num_workers=1 run=outputs/w",
        DAMAGED,
    ),
    ("prepare data=hkl10 data.store=octant.zarr", ["exists already", "overwrite=true"]),
    ("prepare data.store=new.zarr data.build.workers=0", ["data.build.workers=0", "at least 1"]),
    ("prepare data.store=octant.zarr verify=true repair=true", ["verify=true and repair=true", "one at a time"]),
    ("prepare verify=true", ["needs a store", "data.store=PATH verify=true"]),
    ("prepare data.store=damaged.zarr verify=true", ["damaged.zarr", "density/c/0/0/0/0", "repair=true"]),
    ("prepare data.store=missing.zarr verify=true", ["no store at missing.zarr"]),
    ("train data.store=ftp://host/a data=hkl10", ["ftp://host/a", "s3://BUCKET/FOLDER"]),
    ("data inof", ["data inof", "phaselearn data info data.store=PATH"]),
    ("data info", ["a store is needed"]),
    ("data info data.stoer=x", ["did you mean data.store"]),
    ("data info data.store=missing.zarr", ["no store at missing.zarr"]),
    ("data info data.store=other.zarr", ["schema other version 3"]),
]
RUNS = [
    ("evaluate", ["run=outputs/FOLDER"]),
    ("evaluate run=empty", ["run=empty is not a run folder"]),
    ("evaluate run=run data=hkl20 data.store=twenty.zarr", ["another model or grid", "20³"]),
    ("evaluate run=run model=cnn", ["own model"]),
    ("evaluate run=run evaluation.split=tset", ["evaluation.split=tset"]),
    ("evaluate run=run observation=d9", ["observation=d9", "d1.5"]),
    ("evaluate run=run evaluation.chekpoint=last", ["did you mean evaluation.checkpoint"]),
    ("evaluate run=damaged_run", ["best.ckpt is not a readable checkpoint", "last.ckpt"]),
    ("train model=charge_flipping", ["model=charge_flipping has nothing to train", "phaselearn benchmark"]),
    ("train model=solver", ["model=solver has nothing to train", "evaluation.methods=[solver]"]),
    ("train resume=missing", ["resume=missing is not a run folder"]),
    ("train resume=run model=cnn", ["model=cnn", "resumed run keeps its model"]),
]


MISTAKES = dict([*CONFIGURATION, *DATA, *RUNS])
# The check that finds each of these finds another, too, or another file tests it.
ALIKE = {
    "train model=UNet3D",
    "train data=hkl30",
    "train loss=mae",
    "train sead=1",
    "train data.cache=none",
    "train data.augmentaton.axes=true",
    "train trainer.max_epochs=abc",
    "train model.hidden_sizes=abc",
    "train data.train_size=1.5",
    "train data=hkl10_full data.definition.frame=cartesian loss=combined",
    "train evaluation.methods=[mlp]",
    "train evaluation.also_shown=alpha_F2",
    "train model._target_=nowhere.Net",
    "train logger=wandb +logger.wandb.tag=[a]",
    "train profiler=slow",
    "train quiet=maybe",
    "train model=solver",
    "train trainer.accumulate_grad_batches=0",
    "train data.definition.b_iso=-1",
    "train model=cnn model.width=0",
    "train evaluation=null",
    "train ~evaluation",
    "train evaluation.methods=phase_zero",
    "prepare data=2.5",
    "prepare sorce=file",
    "benchmark regime.full20=3",
    "benchmark count=null",
    "benchmark regimes=[nothing]",
    "train data.loading.cache_limit=5",
    "data info data.store=other.zarr",
    "train data=hkl10 data.store=damaged.zarr data.loading.cache=ram run=outputs/in_memory",
    "train float32_matmul_precision=tf32",
    "train data.endless=true source=synthetic",
    "train data=sphere1.0 model=mlp",
    "train data=sphere1.0 model=unet3d",
    "train data.loading.cache=disk",
    "train evaluation.also_shown=[garbage/a.cif]",
    "train logger=wandbb",
    "dashboard crystal=3",
    "train callbacks=[default,emma]",
    "train compile=indcutor",
    "train optim.optimizer.lr=-1",
    "train seed=-1",
    "train evaluation=3",
    "train evaluation.level=tables",
    "train evaluation.methods=[3]",
    "benchmark regime=3",
    "benchmark source.count=30 models=[solver] starts=[nothing]",
    "benchmark source.count=30 models=[solver] starts=[random] search.counts=[2,1]",
    "train source=folder source.path=empty",
    "prepare source=folder source.path=missing",
    "train source=file source.path=missing.jsonl",
    "train data=hkl10 data.store=damaged.zarr data.loading.cache=none data.loading.num_workers=1 run=outputs/w",
    "prepare data=hkl10 data.store=octant.zarr",
    "prepare data.store=new.zarr data.build.workers=0",
    "prepare data.store=damaged.zarr verify=true",
    "prepare data.store=missing.zarr verify=true",
    "data info data.stoer=x",
    "data info data.store=missing.zarr",
    "evaluate run=empty",
    "evaluate run=run evaluation.split=tset",
    "evaluate run=run evaluation.chekpoint=last",
    "train hydra/launcher=jobib",
    "train data.definition.layout=shell",
    "train model.hidden_sizes=[0]",
    "train source=folder source.path=garbage",
    "evaluate run=run model=cnn",
    "data info",
}


def test_what_is_left_to_the_slow_tests_is_a_mistake() -> None:
    assert set(MISTAKES) > ALIKE


@pytest.mark.parametrize("typed", thinned(MISTAKES, lambda typed: typed not in ALIKE))
def test_a_mistake_is_one_line(failing: Failing, typed: str) -> None:
    line = failing(
        *typed.split(),
        # Lightning's summary would be printed before these fail.
        *(["trainer.enable_model_summary=false"] if typed.startswith("train") and ".zarr" in typed else []),
    )
    for snippet in MISTAKES[typed]:
        assert snippet in line


def test_damaged_last_checkpoint_on_resume(failing: Failing, workplace: Path) -> None:
    shutil.copytree(workplace / "run", workplace / "damaged_last", dirs_exist_ok=True)
    (workplace / "damaged_last" / "last.ckpt").write_bytes(b"PK not a checkpoint")
    assert "last.ckpt is not a readable checkpoint" in failing("train", "resume=damaged_last")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((*TRAIN, "model=unet3"), "did you mean unet3d"),
        pytest.param((*TRAIN, "source=file", "source.path=missing.jsonl"), "missing.jsonl", marks=pytest.mark.slow),
        ((*PHASELEARN, "evaluate", "run=empty"), "is not a run folder"),
        ((*TRAIN, "-m", "data.loading.cache=disk,tape"), "data.loading.cache=disk"),
    ],
)
def test_a_mistake_in_a_process_of_its_own(workplace: Path, arguments: tuple[str, ...], told: str) -> None:
    done = command(workplace, *arguments, succeeds=False)
    assert done.returncode == 2
    assert told in _the_one_line(done.stderr)
