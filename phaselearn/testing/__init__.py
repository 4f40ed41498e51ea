"""Contract suites that collect every option of conf/ by themselves, and can be run on one's own classes."""
