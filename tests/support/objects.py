"""The objects in a store and the events in them."""

import gzip
import json
from pathlib import Path
from typing import Any

INCOMPLETE = ".incomplete"


def files(store: Path) -> dict[str, bytes]:
    """Return the objects of a directory by key, without those that are being written."""
    found: dict[str, bytes] = {}
    for path in sorted(store.rglob("*")):
        if INCOMPLETE in path.parts:
            continue
        if path.is_file():
            found[str(path.relative_to(store))] = path.read_bytes()
    return found


def events_in(objects: dict[str, bytes]) -> list[dict[str, Any]]:
    """Return the events in objects of either layout, those that readers see."""
    found: list[dict[str, Any]] = []
    for key, body in objects.items():
        if any(part.startswith("_") for part in key.split("/")):
            continue
        text = gzip.decompress(body) if key.endswith(".gz") else body
        found.extend(json.loads(line) for line in text.splitlines())
    return found
