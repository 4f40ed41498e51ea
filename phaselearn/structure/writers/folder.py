"""All files of a candidate in one folder, each written in one step."""

from __future__ import annotations

from pathlib import Path

from phaselearn.files import write_whole
from phaselearn.structure.candidate import Candidate
from phaselearn.structure.standard import in_standard_setting
from phaselearn.structure.writers.cif import cif_text
from phaselearn.structure.writers.expanded import every_atom, is_common
from phaselearn.structure.writers.maps import map_bytes, mtz_bytes
from phaselearn.structure.writers.shelx import hkl_text, res_text


def write_solution(candidate: Candidate, folder: Path, title: str, stem: str = "solution") -> list[Path]:
    """Write STEM.cif, STEM_standard.cif, STEM.res, STEM.hkl, STEM.ccp4 and STEM.mtz.

    Args:
        candidate: the structure.
        folder: where; it is made if it is missing.
        title: a name for titles and the block of the CIF.
        stem: beginning of the names of the files.

    Returns:
        The files. There is none of a standard setting that spglib does not find. The MTZ file is in the standard
        setting where the axes of the input are not tabulated. If other programs misread the operations in these axes,
        so are the files of SHELX, and STEM.cif lists every atom.

    Raises:
        OSError: a file cannot be written, with its path.
    """
    standard = in_standard_setting(candidate)
    tabulated = candidate if candidate.space_group.is_tabulated else standard
    common = is_common(candidate.space_group)
    for_shelx = candidate if common or standard is None else standard
    contents = {
        f"{stem}.cif": cif_text(candidate if common else every_atom(candidate), title).encode(),
        **({f"{stem}_standard.cif": cif_text(standard, title).encode()} if standard is not None else {}),
        f"{stem}.res": res_text(for_shelx, title).encode(),
        f"{stem}.hkl": hkl_text(for_shelx).encode(),
        f"{stem}.ccp4": map_bytes(candidate),
        **({f"{stem}.mtz": mtz_bytes(tabulated, title)} if tabulated is not None else {}),
    }
    paths = []
    for name, content in contents.items():
        write_whole(folder / name, content)
        paths.append(folder / name)
    return paths
