"""The names by which a configuration chooses layout, scattering and density, and the elements that it may name."""

LAYOUTS = ("octant", "full", "sphere")
SCATTERING = ("atomic_number", "xray", "electron", "neutron")
WEIGHTS = ("atomic_number", "unit")
SAMPLINGS = ("point", "band_limited")
LARGEST_ATOMIC_NUMBER = 98  # californium, the last row of the International Tables
