"""Files of structures that went wrong: the damage that a seeded hand does to sound ones."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import random
import re
from collections.abc import Callable
from typing import Any

from sound_files import SOUND

_NUMBER = re.compile(r"(?<![A-Za-z_])[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?")
_WRONG_NUMBERS = (
    *("nan", "NaN", "inf", "-inf", "Infinity", "1e308", "-1e308", "1e309", "1e-300", "1e20", "-1", "0", "-0.0", "1e-9"),
    *(
        "999999999999",
        "1000000",
        "5000",
        "180",
        "360",
        "0.5",
        "1/3",
        "9" * 400,
        "1" + "0" * 5000,
        "0x10",
        "1_000",
        "1,5",
    ),
    *("٣", "½", "−1", "1.0d0", "?", ".", "", "null", "true", '"1"', "[]", "{}", "0.3333(2)"),
)
_LOOK_ALIKES = {
    "-": "−",
    "x": "х",
    "a": "а",
    " ": "\u00a0",
    "0": "О",
    "1": "l",
    "N": "Ν",
    "C": "С",
    ",": "，",
    "'": "’",
}
_WORDS = (
    *(
        "Qq",
        "X",
        "D",
        "H1.33",
        "Na+",
        "Fe2.5+",
        "loop_",
        "data_",
        "_cell_length_a",
        ";",
        "'",
        '"',
        "#",
        "\x00",
        "\x1b[31m",
    ),
    *("é", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "\\ud800", "x,y,z", "P 1", "F m -3 m"),
    *("Direct", "Cartesian", "Selective", 'pbc="F F F"', 'Lattice=""', "Properties=species:S:9999999:pos:R:3"),
    *('"occu": 0.5', '"@module": "os", "@class": "system"', '"spacegroup": 999', '"formula": "KBr"'),
)

_WRONG_VALUES: tuple[Any, ...] = (
    *(None, True, False, "", "Na", "nan", [], {}, [[]], [1, 2, 3], {"a": 1}, "\ud800", "\x00", "é" * 5000, {"Na": 0.5}),
    *(
        float("nan"),
        float("inf"),
        1e308,
        -1e308,
        1e20,
        1e-300,
        0,
        -1,
        0.5,
        10**400,
        999,
        225.0,
        1e6,
        5000,
        -0.0,
        180,
        1e-9,
    ),
)
_KEYS = (
    "species",
    "sites",
    "lattice",
    "frac_coords",
    "structure",
    "occu",
    "occupancies",
    "formula",
    "id",
    "matrix",
    "pbc",
)

Mutation = Callable[[str, random.Random], str]


def _number(text: str, draw: random.Random) -> str:
    places = list(_NUMBER.finditer(text))
    if not places:
        return text
    place = draw.choice(places)
    return text[: place.start()] + draw.choice(_WRONG_NUMBERS) + text[place.end() :]


def _every_number(text: str, draw: random.Random) -> str:
    wrong = draw.choice(_WRONG_NUMBERS)
    return _NUMBER.sub(lambda found: wrong if draw.random() < 0.3 else found[0], text)


def _scaled_numbers(text: str, draw: random.Random) -> str:
    factor = 10 ** draw.uniform(-3, 3)
    return _NUMBER.sub(lambda found: f"{float(found[0]) * factor:.5g}" if draw.random() < 0.2 else found[0], text)


def _lines(text: str, draw: random.Random) -> str:
    return "\n".join(_rearranged(text.split("\n"), draw, lambda line: line * draw.choice((2, 50))))


def _tokens(text: str, draw: random.Random) -> str:
    return "".join(_rearranged(re.split(r"(\s+)", text), draw, lambda _: draw.choice(_WORDS)))


def _rearranged(parts: list[str], draw: random.Random, other: Callable[[str], str]) -> list[str]:
    """Leave out, repeat, exchange or replace one of the parts."""
    first, second = draw.randrange(len(parts)), draw.randrange(len(parts))
    kind = draw.randrange(4)
    if kind == 0:
        del parts[first]
    elif kind == 1:
        parts.insert(second, parts[first])
    elif kind == 2:
        parts[first], parts[second] = parts[second], parts[first]
    else:
        parts[first] = other(parts[first])
    return parts


def _letters(text: str, draw: random.Random) -> str:
    place = draw.randrange(len(text) + 1)
    kind = draw.randrange(4)
    if kind == 0:
        return text[:place] + draw.choice(_WORDS) + text[place:]
    if kind == 1:
        return text[:place] + text[place + draw.randrange(1, 9) :]
    if kind == 2:
        return text[:place]
    letter = draw.choice(list(_LOOK_ALIKES))
    return text.replace(letter, _LOOK_ALIKES[letter], draw.choice((1, 3, -1)))


def _leaf(text: str, draw: random.Random) -> str:
    """Replace, delete or repeat something within JSON, so that it stays JSON."""
    lines = text.split("\n") if text.count("\n{") or text.startswith('{"id') else [text]
    place = draw.randrange(len(lines))
    try:
        content = json.loads(lines[place])
    except (ValueError, RecursionError):
        return text
    node: Any = [content]
    while True:
        key = draw.choice(list(node) if isinstance(node, dict) else range(len(node)))
        if not isinstance(node[key], dict | list) or not node[key] or draw.random() < 0.1:
            break
        node = node[key]
    kind = draw.random()
    if kind < 0.6:
        node[key] = draw.choice(_WRONG_VALUES)
    elif kind < 0.8:
        del node[key]
    elif isinstance(node, list):
        node.append(node[key])
    else:
        node[draw.choice(_KEYS)] = node[key]
    lines[place] = json.dumps(content)
    return "\n".join(lines)


def _long(text: str, draw: random.Random) -> str:
    place = draw.randrange(len(text) + 1)
    filler = draw.choice((" ", "0", "9", "a", "[", "{", "(", "Na ", "0 0 0\n", '{"a":', "x,", "1 "))
    return text[:place] + filler * draw.choice((100, 3000, 30_000)) + text[place:]


def _nested(text: str, draw: random.Random) -> str:
    depth = draw.choice((10, 500, 990, 20_000))
    opening, closing = draw.choice((("[", "]"), ('{"a":', "}")))
    return opening * depth + text.strip() + closing * depth + "\n"


_MUTATIONS: tuple[tuple[Mutation, int], ...] = (
    *((_number, 8), (_every_number, 1), (_scaled_numbers, 3), (_lines, 4), (_tokens, 5), (_letters, 4)),
    *((_long, 1), (_nested, 1), (_leaf, 8)),
)


def mutant(number: int, seed: int) -> tuple[str, str, bytes]:
    """Return an input by its number: the format, the name of its file, and its bytes."""
    draw = random.Random(f"{seed}:{number}")
    kind = list(SOUND)[number % len(SOUND)]
    name, text = draw.choice(SOUND[kind])
    mutations, weights = zip(*_MUTATIONS, strict=True)
    for mutation in draw.choices(mutations, weights, k=draw.choice((1, 1, 1, 2, 3, 6))):
        text = mutation(text, draw)
    content = text.encode(draw.choices(("utf-8", "utf-8-sig", "utf-16", "latin-1"), (40, 1, 1, 1))[0], errors="replace")
    if draw.random() < 0.05:
        flipped = bytearray(content or b"\0")
        for _ in range(draw.choice((1, 10, 200))):
            flipped[draw.randrange(len(flipped))] = draw.randrange(256)
        content = bytes(flipped)
    return kind, *_packed(name, content, draw)


def _packed(name: str, content: bytes, draw: random.Random) -> tuple[str, bytes]:
    if draw.random() > 0.05:
        return name, content
    suffix, pack = draw.choice(_PACKERS[:1] if name.endswith(".jsonl") else _PACKERS)
    packed = pack(content)
    if draw.random() < 0.02:
        # Archives may follow one another in a file: half a gibibyte of zeros.
        packed += pack(bytes(1 << 20)) * 512
    return name + suffix, packed if draw.random() < 0.7 else packed[: draw.randrange(len(packed))]


_PACKERS = ((".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress))
