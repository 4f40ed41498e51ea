"""`pytest --no-unexpected-skips`: a test that did not run fails the session, unless its reason is listed here."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

# The reason of a skip, as a regular expression, and why a complete installation may have it.
EXPECTED = {
    r"the shared (structures|cases|measured sets) are not here": "they are no part of the project",
    r"needs a GPU": "the machines of CI have none",
    r"a model without weights": "the contract asks for gradients, and this method has nothing to train",
    r"a model that may read all of a batch": "the contract compares with a batch that holds less",
    r"rounding, which depends on the batch, grows in this model": "the contract compares predictions in two batches",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption("--no-unexpected-skips", action="store_true", help="fail if a test is skipped that should run")


def pytest_configure(config: pytest.Config) -> None:
    """Watch the reports; with xdist in the process that gathers them."""
    if config.getoption("--no-unexpected-skips") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(SkipWatch())


class SkipWatch:
    """Collect the skips that nobody expects, and fail the session if there are any."""

    def __init__(self) -> None:
        self.unexpected: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a skipped test; one that fails as expected is none."""
        if not hasattr(report, "wasxfail"):
            self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that is skipped as a whole."""
        self._note(report)

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped:
            *_, told = report.longrepr
            if not any(re.search(reason, told) for reason in EXPECTED):
                self.unexpected[report.nodeid] = told

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        """Turn success into failure."""
        yield
        if self.unexpected and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the unexpected skips, and what to do about them."""
        if self.unexpected:
            terminalreporter.section("unexpected skips", red=True)
            for name, told in sorted(self.unexpected.items()):
                terminalreporter.line(f"{name}: {told}")
            terminalreporter.line("install what is missing, or add the reason and why to EXPECTED in tests/skips.py")
