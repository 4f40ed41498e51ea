"""CIF with reflections: loops in its data blocks, and lists and .fcf files that are embedded in them as text.

gemmi reads the grammar.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from gemmi import cif

from phaselearn.errors import UserError
from phaselearn.measured.readers.cif_loops import read_loops
from phaselearn.measured.readers.cif_statements import completed, instructions_in, stated_by, text_of, told_of_formula
from phaselearn.measured.readers.hklf import is_hklf, read_hklf
from phaselearn.measured.readers.instructions import Instructions
from phaselearn.measured.readers.listing import Listing, Stated, fault
from phaselearn.measured.readers.text import TextSource

MOST_BYTES = 100 << 20  # gemmi needs about eight times as much memory
_LISTS = ("_shelx_hkl_file", "_iucr_refine_reflections_details")  # a .hkl; some put the .fcf into the second
_FCF = ("_shelx_fcf_file", "_iucr_refine_fcf_details")
_HEAD = 1 << 12  # characters by which a text inside a CIF is known
_MOST_NAMED = 20  # data blocks in an error


def is_cif(head: bytes) -> bool:
    """Return whether a file that begins so is a CIF."""
    return re.search(rb"(?im)^\s*(data_\S*|loop_|_[a-z]\S*\s)", head) is not None and b"\x00" not in head


def read_cif(source: TextSource, block: str | None = None) -> Listing:
    """Return the reflections of a CIF.

    Args:
        source: the file.
        block: the name of the data block, without `data_`, or its number among those with reflections, from 1; None
            for the only one that has reflections.

    Raises:
        UserError: it is not a CIF, no block or several have reflections, or they cannot be read.
    """
    path = source.path
    blocks = list(_document(source.whole(MOST_BYTES), path))
    found = [(one, listing) for one in blocks if (listing := _tried(one, path)) is not None]
    own, listing = found[_asked_for([one.name for one, _ in found], block, path)]
    if isinstance(listing, UserError):  # a block that cannot be read matters where it is meant
        raise listing
    # A block with reflections of its own is of another crystal.
    others = [one for one in blocks if not any(one is crystal for crystal, _ in found)]
    stated = completed(listing.stated, [(one.name, stated_by(one, path)) for one in others], path)
    return replace(listing, stated=stated, warnings=(*listing.warnings, *told_of_formula(own)))


def _asked_for(names: list[str], block: str | None, path: Path) -> int:
    """Return which of the blocks with reflections is meant.

    Raises:
        UserError: there is none, or there are several.
    """
    places = range(len(names))
    chosen = list(places)
    if block is not None:
        named = [place for place in places if names[place].lower() == block.lower()]
        chosen = named or [place for place in places if str(place + 1) == block]
    if len(chosen) == 1:
        return chosen[0]
    left = [names[place] for place in chosen] or names
    listed = ", ".join(left[:_MOST_NAMED]) + (" …" if len(left) > _MOST_NAMED else "")
    if not names:
        helps = "a CIF with a list of reflections is needed, such as the .fcf"
    elif not chosen:
        helps = f"allowed are {listed}"
    elif len({name.lower() for name in left}) == len(left):
        helps = "block=NAME takes one"
    else:
        helps = "block=1 takes the first, and so on"
    asked = f" named {block}" if block else ""
    raise fault(path, f"data blocks with reflections{asked}: {listed if chosen else 'none'}", helps)


def instructions_in_cif(source: TextSource) -> Instructions:
    """Return what the data blocks of a CIF say of the crystal, and how embedded instructions want reflections read.

    Raises:
        UserError: it is not a CIF, its cell is none, or the instructions cannot be read.
    """
    blocks = list(_document(source.whole(MOST_BYTES), source.path))
    stated = completed(Stated(), [(one.name, stated_by(one, source.path)) for one in blocks], source.path)
    embedded = (found for one in blocks if (found := instructions_in(one, source.path)) is not None)
    return replace(next(embedded, Instructions(stated=stated)), stated=stated)


def _document(content: bytes, path: Path) -> cif.Document:
    try:
        # Faults outside of the reflections, such as a tag without a value, are passed over.
        return cif.read_string(content.decode("utf-8", "replace"), check_level=0)
    except (ValueError, RuntimeError) as error:
        helps = "mend it, or check it with `gemmi validate FILE`"
        raise fault(path, f"it is not a CIF: {str(error).removeprefix('string:')}", helps) from error


def _tried(block: cif.Block, path: Path) -> Listing | UserError | None:
    """Return the reflections of a block, why they cannot be read, or None where it has none."""
    try:
        return _reflections(block, path)
    except UserError as error:
        return error


def _reflections(block: cif.Block, path: Path) -> Listing | None:
    """Return the reflections of a block, and what it states of the crystal; None if it has none.

    An embedded .hkl comes first, since it is not merged; but of twins, a loop, from which other domains are removed.
    """
    texts = [text.strip("\r\n") for tag in (*_LISTS, *_FCF) if (text := text_of(block, tag))]
    lists = [text for text in texts if is_hklf(text[:_HEAD].encode())]
    instructions = instructions_in(block, path) or Instructions(stated=Stated())
    stated = stated_by(block, path)
    if not lists or instructions.hklf == 5:
        fcf = [text for text in texts if text not in lists and is_cif(text[:_HEAD].encode())]
        listing = read_loops(block, path) or (_embedded_fcf(fcf[0], path) if fcf else None)
        if listing is not None:
            # Which wavelength was chosen is known to the loop.
            chosen = Stated(wavelength=listing.stated.wavelength)
            return replace(listing, stated=chosen.or_else(stated).or_else(listing.stated))
    if not texts:
        return None
    listing = read_hklf(TextSource(path, (lists or texts)[0].encode()), instructions)
    # What the CIF says for itself is newer than the instructions in it.
    return replace(listing, kind=f"CIF, {listing.kind} in it", stated=stated.or_else(listing.stated))


def _embedded_fcf(text: str, path: Path) -> Listing | None:
    """Return the reflections of an embedded .fcf, and what it states of the crystal."""
    for block in _document(text.encode(), path):
        listing = read_loops(block, path)
        if listing is not None:
            stated = listing.stated.or_else(stated_by(block, path))
            return replace(listing, kind=f"{listing.kind} of an embedded .fcf", stated=stated)
    return None
