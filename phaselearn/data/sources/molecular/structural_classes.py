"""How often molecular crystals have which space group, and where their molecules are."""

from __future__ import annotations

import numpy as np

# Per cent: (space group, symmetry of the molecules' site, molecules in the asymmetric unit or halves of one). The sums
# of a space group follow the statistics of the Cambridge Structural Database. The shares of its sites are estimates,
# of the size that Belsky, Zorkaya & Zorky, Acta Cryst. A51, 473 (1995), and Steed & Steed, Chem. Rev. 115, 2895 (2015),
# describe.
_CLASSES = {
    (14, "none", 1): 26.5, (14, "inversion", 1): 4.5, (14, "none", 2): 3.0,
    (2, "none", 1): 16.0, (2, "inversion", 1): 3.5, (2, "none", 2): 5.0,
    (15, "none", 1): 4.2, (15, "twofold", 1): 2.6, (15, "inversion", 1): 1.5,
    (19, "none", 1): 6.6, (19, "none", 2): 0.4, (4, "none", 1): 3.8, (4, "none", 2): 1.3,
    (61, "none", 1): 3.0, (61, "inversion", 1): 0.3, (33, "none", 1): 1.3, (62, "mirror", 1): 1.1,
    (29, "none", 1): 0.7, (9, "none", 1): 1.0, (60, "none", 1): 0.5, (60, "twofold", 1): 0.3,
    (5, "none", 1): 0.6, (5, "twofold", 1): 0.2, (1, "none", 1): 0.7, (1, "none", 2): 0.3,
    (11, "mirror", 1): 0.4, (56, "none", 1): 0.3, (7, "none", 1): 0.35, (18, "none", 1): 0.3,
    (148, "none", 1): 0.5, (13, "none", 1): 0.4, (13, "twofold", 1): 0.2, (43, "none", 1): 0.35,
    (88, "none", 1): 0.3, (92, "none", 1): 0.2, (96, "none", 1): 0.2, (36, "mirror", 1): 0.15, (20, "none", 1): 0.15,
    (146, "none", 1): 0.1, (161, "none", 1): 0.1,
}  # fmt: skip


def draw_class(draw: np.random.Generator) -> tuple[int, str, int]:
    """Return a space group's number, the symmetry of the molecules' site, and the number of independent molecules."""
    classes = list(_CLASSES)
    ends = np.cumsum(list(_CLASSES.values()))
    return classes[int(np.searchsorted(ends, draw.random() * ends[-1]))]
