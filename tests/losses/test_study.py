"""The experiments on losses."""

import yaml

from phaselearn.commands.options import config_directory
from phaselearn.testing.options import options


def test_the_sweep_is_over_every_loss():
    sweep = yaml.safe_load((config_directory() / "sweep" / "losses.yaml").read_text())
    assert sorted(sweep["hydra"]["sweeper"]["params"]["loss"].split(",")) == sorted(options("loss"))
