"""Isotypes: known crystals with a like cell and like intensities, whose phases a search begins with."""
