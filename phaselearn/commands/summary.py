"""The last screen of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phaselearn.report.content import ResultRow


def print_summary(folder: Path, rows: Sequence[ResultRow]) -> None:
    """Print the table, and where the page and everything else lie."""
    from rich.console import Console

    from phaselearn.report.run import REPORT_FILE
    from phaselearn.report.terminal import results_table

    console = Console()
    console.print(results_table(rows))
    # Paths are printed whole: a wrapped path cannot be clicked or copied.
    print(f"page:   {folder / REPORT_FILE}")
    print(f"folder: {folder}")
