"""Every model and loss of this package keeps PhaseLearn's contracts; a new option is collected by itself."""

from phaselearn.testing import losses, models
from phaselearn.testing.options import options

for option in options("model", "my_phasing"):
    globals()[f"TestModel_{option}"] = models.from_option(option)

for option in options("loss", "my_phasing"):
    globals()[f"TestLoss_{option}"] = losses.from_option(option)
