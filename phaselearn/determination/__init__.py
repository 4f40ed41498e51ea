"""A crystal determined from its measured reflections: phases by the solver, then space group, atoms and a verdict."""
