"""`phaselearn prepare`: build a store, or repair one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phaselearn.commands.application import run_application

if TYPE_CHECKING:
    from omegaconf import DictConfig


def main() -> None:
    """Run the command."""
    run_application("prepare", _prepare)


def _prepare(config: DictConfig) -> None:
    from phaselearn.commands.memory import keep_freed_memory
    from phaselearn.commands.session import build_data, check
    from phaselearn.data.build import repair_store

    check(config, "prepare")
    keep_freed_memory()
    data = build_data(config)
    if config.repair:
        repaired = repair_store(data.store_path)
        print(f"{data.store_path}: " + (f"rebuilt {', '.join(repaired)}" if repaired else "every shard is sound"))
        return
    store = data.build(overwrite=config.overwrite)
    left_out = store.attributes["left_out"]["counts"]
    print(f"{store.path}: {len(store)} pairs of {store.definition.size}³, {store.definition.layout} layout")
    for reason, count in left_out.items():
        print(f"  left out: {count} × {reason}")
