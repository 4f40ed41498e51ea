"""From phased reflections to a structure: space group, atoms of the asymmetric unit, least squares, and their files."""
