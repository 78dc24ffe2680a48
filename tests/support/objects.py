"""What is in a store."""

import gzip
import json
from pathlib import Path
from typing import Any

INCOMPLETE = ".incomplete"


def files(store: Path) -> dict[str, bytes]:
    """The objects of a directory, by key; what is still being written is none yet."""
    found: dict[str, bytes] = {}
    for path in sorted(store.rglob("*")):
        if INCOMPLETE in path.parts:
            continue
        if path.is_file():
            found[str(path.relative_to(store))] = path.read_bytes()
    return found


def events_in(objects: dict[str, bytes]) -> list[dict[str, Any]]:
    """The events in objects of either layout."""
    found: list[dict[str, Any]] = []
    for key, body in objects.items():
        text = gzip.decompress(body) if key.endswith(".gz") else body
        found.extend(json.loads(line) for line in text.splitlines())
    return found
