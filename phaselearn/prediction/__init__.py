"""A trained network applied to crystals: predicted maps, and how good their phases are."""
