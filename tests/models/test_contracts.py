"""Every option of conf/model keeps the contract; a new one is collected by itself."""

from phaselearn.testing.models import from_option
from phaselearn.testing.options import options

# Full-size convolutions are slow on a CPU; the code is the same at any width.
SMALLER = {
    "cnn": ("model.width=16", "model.blocks=2"),
    "unet3d": ("model.width=2", "model.smallest=20", "model.levels=2"),
}

for option in options("model"):
    globals()[f"Test_{option}"] = from_option(option, *SMALLER.get(option, ()))
