"""Contract tests, which run on every option of conf/ and on classes of your own."""

import pytest

# With this, failed asserts show their values, as in test files.
pytest.register_assert_rewrite("phaselearn.testing.losses", "phaselearn.testing.models")
