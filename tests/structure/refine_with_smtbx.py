"""Least squares by smtbx in a process of its own: `python refine_with_smtbx.py FOLDER`, which holds solution.res, .hkl.

Prints one line of JSON: the space group as cctbx reads it, R1, and the sites before and after.
"""

import json
import sys
from pathlib import Path

from cctbx import xray
from iotbx import reflection_file_reader
from scitbx.lstbx import normal_eqns_solving
from smtbx.refinement import constraints, least_squares
from smtbx.utils import connectivity_table


def main() -> None:
    folder = Path(sys.argv[1])
    structure = xray.structure.from_shelx(filename=str(folder / "solution.res"), strictly_shelxl=False)
    before = {scatterer.label: list(scatterer.site) for scatterer in structure.scatterers()}
    reader = reflection_file_reader.any_reflection_file(f"hklf4={folder / 'solution.hkl'}")
    [measured] = [
        array
        for array in reader.as_miller_arrays(crystal_symmetry=structure.crystal_symmetry(), merge_equivalents=False)
        if array.is_xray_intensity_array()
    ]
    measured = measured.set_observation_type_xray_intensity()
    wavelength = float(sys.argv[2]) if len(sys.argv) > 2 else None
    structure.scattering_type_registry(table="it1992")
    if wavelength:
        structure.set_inelastic_form_factors(wavelength, "sasaki")
        for scatterer in structure.scatterers():
            scatterer.fdp = 0.0
    for scatterer in structure.scatterers():
        scatterer.flags.set_grad_site(True)
        scatterer.flags.set_use_u_iso_only()
        scatterer.flags.set_grad_u_iso(True)
    reparametrisation = constraints.reparametrisation(
        structure=structure, constraints=[], connectivity_table=connectivity_table(structure)
    )
    equations = least_squares.crystallographic_ls(
        measured.as_xray_observations(),
        reparametrisation,
        weighting_scheme=least_squares.mainstream_shelx_weighting(a=0.1, b=0),
    )
    normal_eqns_solving.naive_iterations(equations, n_max_iterations=20, track_all=False, step_threshold=1e-7)
    r1, strong = equations.r1_factor(cutoff_factor=2)
    print(
        json.dumps(
            {
                "space_group": structure.space_group_info().type().lookup_symbol(),
                "number": structure.space_group_info().type().number(),
                "r1": r1,
                "wr2": equations.wR2(),
                "goodness": equations.goof(),
                "strong": strong,
                "before": before,
                "sites": {scatterer.label: list(scatterer.site) for scatterer in structure.scatterers()},
                "u_iso": {scatterer.label: scatterer.u_iso for scatterer in structure.scatterers()},
            }
        )
    )


main()
