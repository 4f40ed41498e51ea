"""Contract tests: they run on every option of conf/, and on classes of your own."""

import pytest

# Failed asserts then show their values, as those in test files do.
pytest.register_assert_rewrite("phaselearn.testing.losses", "phaselearn.testing.models")
