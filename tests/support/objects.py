"""What is in a store."""

import gzip
import json
from pathlib import Path
from typing import Any


def files(store: Path) -> dict[str, bytes]:
    """The objects of a directory, by key."""
    return {
        str(path.relative_to(store)): path.read_bytes()
        for path in sorted(store.rglob("*"))
        if path.is_file()
    }


def events_in(objects: dict[str, bytes]) -> list[dict[str, Any]]:
    """The events in objects of either layout."""
    found: list[dict[str, Any]] = []
    for key, body in objects.items():
        text = gzip.decompress(body) if key.endswith(".gz") else body
        found.extend(json.loads(line) for line in text.splitlines())
    return found
