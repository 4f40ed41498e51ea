"""Lightning callbacks; each does one thing beside the training steps."""
