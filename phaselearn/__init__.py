"""PhaseLearn: learn the map from diffraction intensities to electron density."""
