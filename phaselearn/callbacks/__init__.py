"""Lightning callbacks; each does one thing beside the steps of a training."""
