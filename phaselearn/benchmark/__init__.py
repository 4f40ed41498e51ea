"""Every phasing method on the same crystals with the same |F|, in several regimes of measurement."""
