"""Shell completion of `phaselearn …`: the commands, and the keys and options of each as Hydra knows them.

    eval "$(phaselearn -sc install=bash)"

Hydra's script asks `phaselearn -sc query=bash`, with the line so far in COMP_LINE.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from phaselearn.commands.application import run_application

_APPLICATIONS = {"config": "train", "evaluate": "train"}  # commands that take the keys of another command


def complete(commands: Iterable[str]) -> None:
    """Answer the shell."""
    application, line = "train", os.environ.get("COMP_LINE")
    if line is not None and any(argument.startswith("query=") for argument in sys.argv[2:]):
        typed = line.split()[1:]
        last = typed.pop() if typed and not line.endswith(" ") else ""
        if not typed:
            print("\n".join(command for command in commands if command.startswith(last)))
            return
        command, *overrides = typed
        if command == "data":
            if overrides[:1] != ["info"]:
                print("info")
                return
            overrides = overrides[1:]
            application = "data_info"
        elif command in commands:
            application = _APPLICATIONS.get(command, command)
        else:
            return
        # Hydra expects a program and its overrides.
        os.environ["COMP_LINE"] = " ".join(("phaselearn", *overrides, last))
    run_application(application, lambda config: None)
