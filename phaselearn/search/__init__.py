"""Searches by Optuna: the space, the study in its storage, and the trial that a run carries out."""
