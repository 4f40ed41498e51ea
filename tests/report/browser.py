"""Drive a page in headless Chromium, and read the notes of a script in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--virtual-time-budget=20000",
]

LISTEN = """<script>
// Chromium draws too few frames under virtual time to wait for them. Once the notes are written, nothing more is drawn.
const draw = (action) => document.getElementById("probe") || action(performance.now());
window.requestAnimationFrame = (action) => setTimeout(draw, 100, action);
window.cancelAnimationFrame = clearTimeout;
const problems = [];
addEventListener("error", (event) => problems.push(String(event.message)));
addEventListener("unhandledrejection", (event) => problems.push(String(event.reason)));
addEventListener("securitypolicyviolation", (event) => problems.push(event.violatedDirective));
for (const level of ["error", "warn"]) console[level] = (...parts) => problems.push(parts.join(" "));
</script>"""


def drive(path: Path, script: str, width: int = 1200) -> dict[str, Any]:
    """Return the notes of the script in the page: it puts JSON into an element with the id `probe`.

    Errors, warnings and violations of the page's security policy are in its array `problems`.
    """
    text = path.read_text(encoding="utf-8").replace("<body>", f"<body>{LISTEN}", 1)
    start, _, end = text.rpartition("</body>")
    path.write_text(f"{start}<script>{script}</script></body>{end}", encoding="utf-8")
    command = [
        CHROMIUM,
        *OPTIONS,
        f"--user-data-dir={path.parent / 'profile'}",
        f"--window-size={width},900",
        "--dump-dom",
        path.as_uri(),
    ]
    environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=True)
    found = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    return json.loads(unescape(found[1]))
