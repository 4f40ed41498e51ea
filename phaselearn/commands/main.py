"""`phaselearn COMMAND …`: all commands; train.py of a checkout is `phaselearn train`."""

from __future__ import annotations

import sys
from importlib import import_module

from phaselearn.commands.console import ending_with_its_reader
from phaselearn.errors import closest

COMMANDS = {
    "solve": "measured reflections in, a structure out: `phaselearn solve crystal.hkl`",
    "train": "train a network, judge it, and write its page",
    "config": "what `train` would run, and why",
    "prepare": "build a store of pairs; verify or repair one",
    "data": "what is in a store: `phaselearn data info data.store=PATH`",
    "predict": "a trained network on structures: maps and a table",
    "evaluate": "test a finished run again, on any data or observation",
    "runs": "the runs here and their results; two runs side by side",
    "weights": "the trained networks of the package, and their model cards",
    "known": "known crystals, whose atoms a search may begin with",
    "benchmark": "every phasing method on the same crystals with the same |F|",
    "dashboard": "the W&B workspace that shows the runs",
}


@ending_with_its_reader()
def main() -> None:
    """Run the command that the first argument names."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help"):
        print("usage: phaselearn COMMAND [group=option …] [key=value …]\n")
        print("\n".join(f"  {command:<10} {what}" for command, what in COMMANDS.items()))
        print("\n`phaselearn COMMAND --help` lists the choices, `--cfg job` prints the configuration.")
        print('Completion by the shell: eval "$(phaselearn -sc install=bash)"')
        return
    if name in ("-sc", "--shell-completion"):
        from phaselearn.commands.completion import complete

        complete(COMMANDS)
        return
    if name not in COMMANDS:
        best = closest(name, list(COMMANDS))
        print(
            f"error: '{name}' is not a command: allowed are {', '.join(COMMANDS)}"
            + (f"; did you mean `phaselearn {best}`?" if best else "; see `phaselearn --help`"),
            file=sys.stderr,
        )
        raise SystemExit(2)
    sys.argv = [f"phaselearn {name}", *sys.argv[2:]]
    import_module(f"phaselearn.commands.{name}").main()
