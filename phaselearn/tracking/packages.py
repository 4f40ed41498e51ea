"""Packages that only some options need."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from packaging.version import Version

from phaselearn.errors import UserError


def require(package: str, at_least: str, choice: str, extra: str | None = None) -> None:
    """Check that a package is installed and new enough.

    Args:
        package: name of the package, as pip writes it.
        at_least: oldest version that is enough.
        choice: the option that needs the package, as the user typed it.
        extra: name of this project's extra that installs the package; None if it is the package's name.

    Raises:
        UserError: the package is missing or too old.
    """
    try:
        found = version(package)
    except PackageNotFoundError:
        found = None
    if found is None or Version(found) < Version(at_least):
        state = "which is not installed" if found is None else f"{found} is installed"
        raise UserError(
            f"{choice} needs {package} ≥ {at_least}, {state}: `pip install 'phaselearn[{extra or package}]'`"
        )
