"""A local HTTP server that answers the endpoints of the Materials Project which its client asks for a snapshot.

The queries mean what those of the service do: `elements` are all held, `chemsys` is exact, bounds are included, an
unknown parameter is refused, no answer has more than a thousand documents. Faults are asked for one by one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from pymatgen.core import Lattice, Structure

KEY = "0123456789abcdef0123456789ABCDEF"
VERSION = "2026.02.03"
MOST = 1000
Document = dict[str, Any]
Fault = tuple[str, Any] | None

KNOWN = {
    *("elements", "chemsys", "nsites_min", "nsites_max", "energy_above_hull_min", "energy_above_hull_max"),
    *("theoretical", "deprecated", "material_ids", "batch_id_not_eq"),
    *("_fields", "_limit", "_skip", "_page", "_per_page", "_sort_fields"),
}


def document(name: str, structure: Structure, **properties: Any) -> Document:
    """Return a document as the service keeps it."""
    symbols = sorted({element.symbol for element in structure.composition.elements})
    return {
        "material_id": name,
        "formula_pretty": structure.composition.reduced_formula,
        "structure": structure.as_dict(),
        "symmetry": {"number": 225},
        "elements": symbols,
        "chemsys": "-".join(symbols),
        "nsites": len(structure),
        "energy_above_hull": 0.0,
        "theoretical": False,
        "deprecated": False,
        "batch_id": None,
    } | properties


def rock_salt(cation: str, anion: str, edge: float) -> Structure:
    """Return the primitive cell of rock salt; `edge` of the cubic cell in Å."""
    lattice = Lattice([[0, edge / 2, edge / 2], [edge / 2, 0, edge / 2], [edge / 2, edge / 2, 0]])
    return Structure(lattice, [cation, anion], [[0, 0, 0], [0.5, 0.5, 0.5]])


def _fulfils(entry: Document, asked: dict[str, str]) -> bool:
    checks = {
        "elements": lambda text: set(text.split(",")) <= set(entry["elements"]),
        "chemsys": lambda text: entry["chemsys"] in ["-".join(sorted(s.split("-"))) for s in text.split(",")],
        "nsites_min": lambda text: entry["nsites"] >= int(text),
        "nsites_max": lambda text: entry["nsites"] <= int(text),
        "energy_above_hull_min": lambda text: entry["energy_above_hull"] >= float(text),
        "energy_above_hull_max": lambda text: entry["energy_above_hull"] <= float(text),
        "theoretical": lambda text: entry["theoretical"] is (text == "True"),
        "deprecated": lambda text: entry["deprecated"] is (text == "True"),
        "material_ids": lambda text: entry["material_id"] in text.split(","),
        "batch_id_not_eq": lambda text: entry["batch_id"] != text,
    }
    return all(checks[name](text) for name, text in asked.items() if name in checks)


class MaterialsProjectServer:
    """The server; a context.

    Attributes:
        documents: the database.
        version: version of the database.
        fault: asked at each request with its path; returns None, or what goes wrong: ("status", (code, body, headers)),
            ("body", bytes) in place of the answer, ("cut", share of the body that is sent), ("drop", None) no answer at
            all, ("change", function of the answer's dictionary).
        requests: path and parameters of all requests.
    """

    def __init__(self, documents: list[Document], fault: Callable[[str], Fault] | None = None) -> None:
        self.documents = documents
        self.version = VERSION
        self.fault = fault or (lambda path: None)
        self.requests: list[tuple[str, dict[str, str]]] = []

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}/"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str, asked: dict[str, str], key: str | None) -> tuple[int, Document]:
        """Return status and content of the answer to a sound request."""
        if path == "/heartbeat":
            return 200, {"status": "OK", "version": "0.86.4", "db_version": self.version} | {
                "access_controlled_batch_ids": ["gnome_r2scan_statics"]
            }
        if path != "/materials/summary/":
            return 404, {"detail": "Not Found"}
        if key != KEY:
            return 401, {"message": f"Invalid authentication credentials: {key}"}
        if asked.keys() - KNOWN:
            return 400, {"detail": f"parameters which cannot be used: {asked.keys() - KNOWN}"}
        found = [entry for entry in self.documents if _fulfils(entry, asked)]
        for field in asked.get("_sort_fields", "").split(","):
            if field:
                found.sort(key=lambda entry: entry[field])
        size = int(asked.get("_per_page", 100)) if "_page" in asked else int(asked.get("_limit", 100))
        start = (int(asked["_page"]) - 1) * size if "_page" in asked else int(asked.get("_skip", 0))
        if size > MOST:
            return 400, {"detail": "limit too large"}
        fields = asked.get("_fields", "material_id").split(",")
        data = [{field: entry[field] for field in fields if field in entry} for entry in found[start : start + size]]
        return 200, {"data": data, "meta": {"total_doc": len(found)}}

    def _handler(server) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # which keeps each answer back for 40 ms

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                asked = dict(parse_qsl(parts.query))
                server.requests.append((parts.path, asked))
                kind, what = server.fault(parts.path) or ("none", None)
                if kind == "drop":
                    self.close_connection = True
                    return
                status, content = server.answer(parts.path, asked, self.headers.get("x-api-key"))
                headers: dict[str, str] = {}
                if kind == "change":
                    content = what(content)
                body = json.dumps(content).encode()
                if kind == "status":
                    status, body, headers = what
                if kind == "body":
                    body = what
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                if kind == "cut":
                    body = body[: int(len(body) * what)]
                    self.close_connection = True
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def library() -> list[Document]:
    """Return a small database in which every filter and every reason to leave an entry out has its case."""
    quartz_like = Structure(Lattice.cubic(4.2), ["Si", "O", "O"], [[0, 0, 0], [0.3, 0.3, 0.3], [0.7, 0.7, 0.7]])
    olivine_like = Structure(
        Lattice.cubic(4.4), ["Si", "Mg", "O", "O"], [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5]]
    )
    mixed = Structure(Lattice.cubic(4.1), [{"Na": 0.5, "K": 0.5}, "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    return [
        document("mp-22862", rock_salt("Na", "Cl", 5.64)),
        document("mp-23193", rock_salt("K", "Cl", 6.29), energy_above_hull=0.04),
        document("mp-1265", rock_salt("Mg", "O", 4.21), theoretical=True),
        document("mp-7000", quartz_like, energy_above_hull=0.2),
        document("mp-2895", olivine_like),
        document("mp-100", mixed),
        document("mp-200", rock_salt("Li", "F", 4.03)) | {"structure": None},
        document("mp-300", rock_salt("Li", "Br", 5.5), deprecated=True),
        document("mp-400", rock_salt("Li", "I", 6.0), batch_id="gnome_r2scan_statics"),
    ]


def rock_salts(count: int) -> list[Document]:
    """Return a database of a number of crystals of one formula, each with a cell of its own."""
    return [document(f"mp-{i}", rock_salt("Na", "Cl", 5 + i / 1e4)) for i in range(1, count + 1)]
