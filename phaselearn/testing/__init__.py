"""Contract suites that collect every option of conf/ by themselves, and can be run on one's own classes."""

import pytest

# A failure in a package of its own then shows the values, as one in its own tests does.
pytest.register_assert_rewrite("phaselearn.testing.losses", "phaselearn.testing.models")
