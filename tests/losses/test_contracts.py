"""Every option of conf/loss keeps the contract; a new one is collected by itself."""

from phaselearn.testing.losses import from_option
from phaselearn.testing.options import options

for option in options("loss"):
    globals()[f"Test_{option}"] = from_option(option)
