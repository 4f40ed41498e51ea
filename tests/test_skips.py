"""Skips that nobody expects fail the session when that is asked for."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

ONE = "import pytest\n\ndef test_one():\n    pytest.skip({!r})\n\ndef test_other():\n    pass\n"
FILE = "import pytest\n\npytest.importorskip('a_package_that_nobody_has', reason='no anvil here')\n"
FAILS = "import pytest\n\n@pytest.mark.xfail\ndef test_one():\n    raise ValueError\n"


@pytest.fixture
def outcome(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """Return the exit code and the report of a session in a process of its own."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(text: str, *options: str) -> tuple[int, str]:
        pytester.makepyfile(text)
        done = pytester.runpytest_subprocess("-p", "tests.skips", "-p", "xdist", *options)
        return done.ret, done.stdout.str()

    return run


@pytest.mark.parametrize("processes", ["0", "1"])
def test_unexpected_skips_of_a_test_and_of_a_file_fail(pytester: pytest.Pytester, outcome, processes: str) -> None:
    pytester.makepyfile(test_file=FILE)
    code, told = outcome(ONE.format("no hammer here"), "--no-unexpected-skips", "-n", processes)
    assert code == pytest.ExitCode.TESTS_FAILED
    assert "test_file.py: Skipped: no anvil here" in told
    assert "test_one: Skipped: no hammer here" in told
    assert "tests/skips.py" in told


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (ONE.format("no hammer here"), ()),
        (ONE.format("the shared structures are not here (why not)"), ("--no-unexpected-skips",)),
        (FAILS, ("--no-unexpected-skips",)),
    ],
    ids=["not asked", "expected", "fails as expected"],
)
def test_other_skips_pass(outcome, text: str, options: tuple[str, ...]) -> None:
    assert outcome(text, *options)[0] == pytest.ExitCode.OK
