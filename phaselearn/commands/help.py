"""The text of `--help`: the options of each group with a sentence on each, then the single values with their comments.

Hydra's own page only names the options, and copies every configuration for each group that it lists.
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from shutil import get_terminal_size

import yaml

from phaselearn.commands.options import EVALUATED, config_directory, evaluation_defaults, first_comment, options_of

_EVALUATE = (
    "# phaselearn evaluate run=outputs/FOLDER [group=option …] [key=value …]\n"
    "# Any value of the run's config.yaml may be changed, and these. trust=true builds every class that\n"
    "# this file names; without it, only classes that the options name are built (SECURITY.md).\n"
)
_FLAGS = """\
flags
  --cfg job               print the configuration instead of running; -p KEY a part of it
  -m                      run every combination of key=a,b,… (a multirun)
  -sc install=bash        completion of commands by the shell: zsh and fish too
  --config-dir FOLDER     more options from a folder like conf/
  --hydra-help            the other flags, and Hydra's own values"""


def print_help(name: str) -> None:
    """Print the help of an application: train, prepare, evaluate …"""
    text = (config_directory() / f"{'train' if name == 'evaluate' else name}.yaml").read_text(encoding="utf-8")
    blocks = _blocks(text)
    if name == "evaluate":
        blocks = {"": _EVALUATE}
    if name in ("train", "evaluate"):
        blocks["evaluation"] = f"evaluation:\n{_indented(_without_head(evaluation_defaults()))}\n"
    print("\n".join(line.removeprefix("# ") for line in blocks.pop("").splitlines()))
    listed = yaml.safe_load(blocks.pop("defaults", "defaults: []"))["defaults"]
    groups = {str(key): str(value) for entry in listed if not isinstance(entry, str) for key, value in entry.items()}
    for group in EVALUATED if name == "evaluate" else groups:
        _print_group(group, groups.get(group))
    blocks.pop("hydra", None)
    values = "".join(blocks.values()).strip()
    if values:
        print(f"\nvalues (set by key=value, as are those of the options)\n{_indented(values)}")
    print(f"\n{_FLAGS}")


def _print_group(group: str, default: str | None) -> None:
    options = options_of(group)
    if not options:
        return
    print(f"\n{group}=")
    width = max(map(len, options)) + 2
    for option in options:
        mark = "*" if option == default else " "
        columns = get_terminal_size((160, 24)).columns
        print(
            textwrap.fill(
                first_comment(group, option),
                max(columns, width + 40),
                initial_indent=f" {mark}{option:<{width}}",
                subsequent_indent=" " * (width + 2),
                break_long_words=False,
                break_on_hyphens=False,
            )
        )


def _blocks(text: str) -> dict[str, str]:
    """Return the top-level entries of a YAML file by key, with their comments; the text before them has the key ""."""
    blocks, key = {"": ""}, ""
    for line in text.splitlines(keepends=True):
        if line[:1].isalpha():
            key = line.partition(":")[0]
        blocks[key] = blocks.get(key, "") + line
    return blocks


def _without_head(path: Path) -> str:
    """Return the text of an option without the comment that it begins with, and without keys that are left open."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("#") and ": ???" not in line)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())
