"""Five hundred files that nobody should send: cut off, damaged, of wrong columns or without any sense."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tests.measured.files import CIF_HEAD, INS, Row, cif_loop, hklf, write_mtz
from tests.measured.test_other_files import XDS

NUMBERS = ("nan", "inf", "-inf", "1e308", "-1e308", "1e-308", "99999999", "-1", "0", "", "?", "1_000", "0x1F", "١", "½")
WORDS = (b"\x00", b"\xff\xfe", b"\n\n\n", b";", b"'", b'"', b"data_", b"loop_", b"\x1a", b"=", b"(", b"\r", b"\t", b"-")


def sound_rows(count: int = 150) -> list[Row]:
    """Return reflections of a monoclinic crystal, each with its equivalent."""
    generator = np.random.default_rng(0)
    rows: list[Row] = []
    for _ in range(count // 2):
        h, k, index = (int(one) for one in generator.integers(-5, 6, 3))
        value = float(generator.exponential(100))
        for sign in (1, -1):
            rows.append((h or 1, sign * k, index, round(value, 2), round(1 + 0.03 * value, 2)))
    return rows


def hostile_files(folder: Path, count: int = 500) -> Iterator[tuple[Path, dict[str, object]]]:
    """Write the files, and yield each with the arguments of `read_reflections` that go with it."""
    rows = sound_rows()
    (folder / "sound.ins").write_text(INS)
    mtz = write_mtz(
        folder / "sound.mtz",
        np.array([row[:3] for row in rows]),
        {"IMEAN": ("J", np.array([row[3] for row in rows])), "SIGIMEAN": ("Q", np.array([row[4] for row in rows]))},
    ).read_bytes()
    hkl = hklf(rows).encode()
    cif = (CIF_HEAD + cif_loop("_refln_", "F_squared_meas", "F_squared_sigma", rows)).encode()
    embedded = (CIF_HEAD + f"_shelx_hkl_file\n;\n{hklf(rows)};\n_shelx_res_file\n;\n{INS};\n").encode()
    table = ("h,k,l,I,sigma\n" + "\n".join(",".join(map(str, row)) for row in rows)).encode()
    xds = (XDS + "\n".join(" ".join(map(str, row)) + " 1 2" for row in rows)).encode()
    sound = {"hkl": hkl, "cif": cif, "fcf": embedded, "mtz": mtz, "csv": table, "HKL": xds}
    generator = np.random.default_rng(1)
    for number in range(count):
        suffix = list(sound)[number % len(sound)]
        damage = DAMAGES[(number // len(sound)) % len(DAMAGES)]
        content = damage(sound[suffix], generator)
        if number % 11 == 0 and suffix != "mtz":
            content, suffix = gzip.compress(content)[: None if number % 2 else -9], f"{suffix}.gz"
        path = folder / f"{number:03d}.{suffix}"
        path.write_bytes(content)
        without_cell = suffix.startswith(("hkl", "csv"))
        arguments: dict[str, object] = {"ins": str(folder / "sound.ins")} if without_cell else {}
        if number % 7 == 0:
            instructions = folder / f"{number:03d}.ins"
            instructions.write_bytes(DAMAGES[number % len(DAMAGES)](INS.encode(), generator))
            arguments = {"ins": str(instructions)}
        yield path, arguments


def _cut_off(content: bytes, generator: np.random.Generator) -> bytes:
    return content[: int(generator.integers(0, len(content)))]


def _flipped(content: bytes, generator: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for place in generator.integers(0, len(changed), int(generator.integers(1, 40))):
        changed[place] = int(generator.integers(0, 256))
    return bytes(changed)


def _inserted(content: bytes, generator: np.random.Generator) -> bytes:
    place = int(generator.integers(0, len(content)))
    return content[:place] + WORDS[generator.integers(len(WORDS))] * int(generator.integers(1, 9)) + content[place:]


def _other_numbers(content: bytes, generator: np.random.Generator) -> bytes:
    """Some words of some lines become numbers that are none, or too large."""
    lines = content.split(b"\n")
    for place in generator.integers(0, len(lines), int(generator.integers(1, 6))):
        words = lines[place].split(b" ")
        words[generator.integers(len(words))] = NUMBERS[generator.integers(len(NUMBERS))].encode()
        lines[place] = b" ".join(words)
    return b"\n".join(lines)


def _every_sigma(content: bytes, generator: np.random.Generator) -> bytes:
    """The last word of every line becomes zero, negative or absent."""
    new = (b" 0.00", b" -1.0", b"")[generator.integers(3)]
    return b"\n".join(line.rpartition(b" ")[0] + new if b" " in line else line for line in content.split(b"\n"))


def _huge_indices(content: bytes, generator: np.random.Generator) -> bytes:
    return content.replace(b" 1 ", b" %d " % 10 ** int(generator.integers(2, 30))).replace(b"\n1,", b"\n99999,")


def _columns_moved(content: bytes, generator: np.random.Generator) -> bytes:
    lines = content.split(b"\n")
    start = int(generator.integers(0, len(lines)))
    return b"\n".join([*lines[:start], *(b" ".join(reversed(line.split())) for line in lines[start:])])


def _repeated(content: bytes, generator: np.random.Generator) -> bytes:
    lines = content.split(b"\n")
    place = int(generator.integers(0, len(lines)))
    return b"\n".join([*lines[:place], *[lines[place]] * 500, *lines[place:]])


def _shuffled(content: bytes, generator: np.random.Generator) -> bytes:
    lines = content.split(b"\n")
    return b"\n".join(lines[place] for place in generator.permutation(len(lines)))


def _noise(content: bytes, generator: np.random.Generator) -> bytes:
    return content[: int(generator.integers(0, 300))] + generator.bytes(2000)


def _one_line(content: bytes, generator: np.random.Generator) -> bytes:
    return content.replace(b"\n", b" ") * int(generator.integers(1, 30))


DAMAGES: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (
    *(_cut_off, _flipped, _inserted, _other_numbers, _every_sigma, _huge_indices),
    *(_columns_moved, _repeated, _shuffled, _noise, _one_line),
)
