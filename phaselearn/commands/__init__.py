"""The commands: Hydra applications on conf/. Heavy imports stay inside functions, so that --help is quick."""
