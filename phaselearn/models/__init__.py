"""Networks and classical methods that turn diffraction intensities into density; one file each."""
