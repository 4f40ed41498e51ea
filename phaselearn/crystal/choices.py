"""The names by which a configuration chooses layout, scattering and density."""

LAYOUTS = ("octant", "full", "sphere")
SCATTERING = ("atomic_number", "xray", "electron", "neutron")
WEIGHTS = ("atomic_number", "unit")
SAMPLINGS = ("point", "band_limited")
