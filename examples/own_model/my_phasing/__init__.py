"""A model and a loss for PhaseLearn: two files each, a class and its options in conf/."""
