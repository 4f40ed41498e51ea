"""Random molecular crystals: molecules grown from fragments, packed until no two of them touch too closely."""
