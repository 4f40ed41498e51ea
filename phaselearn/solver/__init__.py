"""The solver: phases of crystals from several starts, improved by a network, refined as atoms, one chosen."""
