"""Pages of the documentation site that are made from files of the repository: conf/, docstrings, notebooks, README.

MkDocs calls the functions `on_…`. Nothing of PhaseLearn is imported, so that the site is built in seconds and offline.
"""

from __future__ import annotations

import ast
import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "examples" / "notebooks"
# {file of the repository: page of the site that is its copy}
COPIED = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "benchmarks/RESULTS.md": "results.md",
    "benchmarks/LOG.md": "log.md",
    "examples/own_model/README.md": "own_model.md",
}
COMMANDS = {
    "train": "python train.py",
    "solve": "phaselearn solve",
    "prepare": "phaselearn prepare",
    "predict": "phaselearn predict",
    "known": "phaselearn known",
    "benchmark": "phaselearn benchmark",
    "runs": "phaselearn runs",
    "dashboard": "phaselearn dashboard",
    "data_info": "phaselearn data info",
}
# Packages and modules of phaselearn/ that are documented.
DOCUMENTED = (
    *("api", "crystal", "data", "losses", "metrics", "models", "phasing", "solver"),
    *("measured", "structure", "determination", "benchmark", "prediction", "testing"),
)
_LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
_PICTURE = re.compile(r"(?<=src=\")(?P<target>[^\"]+)(?=\")")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    for source, page in COPIED.items():
        _add(files, config, page, (ROOT / source).read_text(encoding="utf-8"))
    for source, page in _tutorials().items():
        _add(files, config, page, tutorial(source))
    for page, text in (("model_cards.md", model_cards()), *configuration_pages(), *api_pages()):
        _add(files, config, page, text)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files of the repository into links between pages, and links to other files into plain text.

    Raises:
        PluginError: a link leads nowhere.
    """
    here = page.file.src_uri
    made = COPIED | _tutorials()
    if page.file.generated_by is not None and here not in made.values():
        return markdown
    source = next((source for source, copy in made.items() if copy == here), f"docs/{here}")
    pages = {
        **{f"docs/{file.src_uri}": file.src_uri for file in files},
        **made,
        "conf": "configuration/commands.md",
        "examples/notebooks": "tutorials/solve_a_crystal.md",
    }

    def moved(target: str) -> str | None:
        """Return a target as seen from this page; None for a file that is not on the site."""
        path, hash_, heading = target.partition("#")
        if not path or "://" in path:
            return target
        place = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if place in pages:
            return posixpath.relpath(pages[place], posixpath.dirname(here) or ".") + hash_ + heading
        if not (ROOT / place).exists():
            raise PluginError(f"{source}: there is no {target}")
        return None

    def link(match: re.Match[str]) -> str:
        target = moved(match["target"])
        return match["text"] if target is None else f"[{match['text']}]({target})"

    markdown = _LINK.sub(link, markdown)
    return _PICTURE.sub(lambda match: moved(match["target"]) or match["target"], markdown)


def tutorial(source: str) -> str:
    """Return a notebook as a page: its texts, and its code in blocks."""
    cells = json.loads((ROOT / source).read_text(encoding="utf-8"))["cells"]
    shown = []
    for cell in cells:
        text = "".join(cell["source"])
        shown.append(f"```python\n{text}\n```" if cell["cell_type"] == "code" else text)
    return "\n\n".join([shown[0], f"This page is the notebook `{source}` of the repository.", *shown[1:], ""])


def model_cards() -> str:
    """Return the page of the weights that come with the package, made of the cards beside them."""
    lines = [
        "# Model cards",
        "",
        "The trained networks that come with the package. `phaselearn weights` lists them, and `phaselearn predict "
        "weights=NAME …` applies one to structures.",
    ]
    for path in sorted((ROOT / "phaselearn" / "weights").glob("*.yaml")):
        card = yaml.safe_load(path.read_text(encoding="utf-8"))
        facts = {
            "file": f"`{card['file']}`, {card['parameters']:,} numbers",
            "SHA-256": f"`{card['sha256']}`",
            **{name: _escaped(text) for name, text in card["facts"].items()},
            "command": f"`{card['facts']['command']}`",
        }
        rows = [f"| {name} | {text} |" for name, text in facts.items()]
        about = f"{card['about'][0].upper()}{card['about'][1:]}."
        limits = [f"- {_escaped(limit)}" for limit in card["limits"]]
        lines += ["", f"## {path.stem}", "", _escaped(about), "", "| | |", "|---|---|", *rows, "", *limits]
    return "\n".join([*lines, ""])


def configuration_pages() -> Iterator[tuple[str, str]]:
    """Yield a page for the commands, and one for each group of conf/."""
    commands = ((typed, ROOT / "conf" / f"{name}.yaml") for name, typed in COMMANDS.items())
    yield (
        "configuration/commands.md",
        "\n".join(["# Commands", "", *(line for typed, path in commands for line in _option(f"`{typed}`", path))]),
    )
    for folder in sorted(path for path in (ROOT / "conf").iterdir() if path.is_dir() and path.name != "hydra"):
        options = sorted(folder.glob("*.yaml"))
        chosen = [path for path in options if not path.name.startswith("_")]
        table = [f"| [`{path.stem}`](#{_anchor(path.stem)}) | {_comment(path)} |" for path in chosen]
        parts = [line for path in options for line in _option(f"`{path.stem}`", path)]
        lead = f"An option is chosen by `{folder.name}=OPTION`, a key of it set by `{folder.name}.KEY=VALUE`."
        yield (
            f"configuration/{folder.name}.md",
            "\n".join([f"# {folder.name}", "", lead, "", "| option | meaning |", "|---|---|", *table, "", *parts]),
        )


def api_pages() -> Iterator[tuple[str, str]]:
    """Yield a page for each name of DOCUMENTED: the docstring of a package, and all its modules."""
    for name in DOCUMENTED:
        folder = ROOT / "phaselearn" / name
        files = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
        lead = ast.get_docstring(ast.parse(files[0].read_text(encoding="utf-8"))) if folder.is_dir() else None
        modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files if path.stem != "__init__"]
        lines = [f"# phaselearn.{name}", *([lead] if lead else []), *(f"::: {module}" for module in modules), ""]
        yield f"api/{name}.md", "\n\n".join(lines)


def _tutorials() -> dict[str, str]:
    """Return {notebook: page}."""
    found = sorted(NOTEBOOKS.glob("*.ipynb"))
    return {path.relative_to(ROOT).as_posix(): f"tutorials/{path.stem}.md" for path in found}


def _add(files: Files, config: MkDocsConfig, page: str, text: str) -> None:
    files.append(File.generated(config, page, content=text))


def _option(name: str, path: Path) -> Iterator[str]:
    """Yield the lines about a file of conf/: its name, its first comment and its keys."""
    target = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("_target_", "")
    documented = target.startswith(tuple(f"phaselearn.{package}." for package in DOCUMENTED))
    yield from (f"## {name}", "", _comment(path), "")
    if target:
        yield from (f"Builds [`{target}`][{target}]." if documented else f"Builds `{target}`.", "")
    yield from ("```yaml", path.read_text(encoding="utf-8").rstrip("\n"), "```", "")


def _comment(path: Path) -> str:
    """Return the comment with which a file of conf/ begins, as one line of a table."""
    lines = path.read_text(encoding="utf-8").splitlines()
    count = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return _escaped(" ".join(line.lstrip("# ") for line in lines[:count]))


def _escaped(text: str) -> str:
    """Return a text without what Markdown would read as emphasis or as the border of a cell; code stays as it is."""
    return "`".join(
        re.sub(r"([_*|<])", r"\\\1", part) if place % 2 == 0 else part for place, part in enumerate(text.split("`"))
    )


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w-]", "", heading).lower()
