"""PhaseLearn: learn to predict electron density from diffraction intensities."""
