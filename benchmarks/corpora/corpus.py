"""The corpora: events of one sender each, in the text that this sender writes."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from benchmarks.corpora import events
from benchmarks.corpora.events import Event
from benchmarks.corpora.placeholders import (
    MakeIds,
    beacon_ids,
    no_ids,
    prefixed_uuids,
    sdk_ids,
    uuids,
)

_JSON = "application/json"
# The content type of a text that a page passes to fetch or sendBeacon.
_TEXT = "text/plain;charset=UTF-8"
_NDJSON = "application/x-ndjson"


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# As JavaScript's escape() has the digits.
def _ascii(value: Any) -> str:
    text = json.dumps(value, separators=(",", ":"))
    return re.sub(r"(?<=\\u)[0-9a-f]{4}", lambda digits: digits[0].upper(), text)


def _spaced(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _indented(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


@dataclass(frozen=True)
class Corpus:
    """Events of one sender: their content, their ids and their text.

    `sender` says who sends such events, `trait` what is particular about them.
    """

    name: str
    sender: str
    trait: str
    make_events: Callable[[Random, int], list[Event]]
    make_ids: MakeIds
    write: Callable[[Any], str] = _compact
    content_type: str = _JSON
    is_gzipped: bool = False

    def text(self, events: list[Event]) -> str:
        """Return the text of a batch: an array, or lines."""
        if self.content_type == _NDJSON:
            return "".join(f"{self.write(each)}\n" for each in events)
        return self.write(events)


def _beacon(
    name: str, sender: str, trait: str, make_events: Callable[[Random, int], list[Event]]
) -> Corpus:
    return Corpus(name, sender, trait, make_events, beacon_ids, _ascii, content_type=_TEXT)


_ALL = (
    Corpus(
        "ideal",
        "the benchmark itself",
        "copies of one event; no ids and no fields of its own",
        events.ideal,
        no_ids,
    ),
    _beacon(
        "beacon",
        "`web/beacon.js`",
        "ids of its own, `sent_at` first, `\\u` escapes; a batch is a part of one visit",
        events.beacon,
    ),
    _beacon(
        "beacon-key",
        "`web/beacon.js` with `data-key`",
        "the same and an own field, `key`",
        events.beacon_with_key,
    ),
    Corpus(
        "sdk",
        "a client library",
        'seven fields of its own, an ignored `user_agent`, integer ids, `null` and `""`',
        events.sdk,
        sdk_ids,
    ),
    _beacon(
        "skewed",
        "`web/beacon.js` on a device with a wrong clock",
        "every time is 90 s early, as `sent_at` shows",
        events.skewed,
    ),
    Corpus(
        "pretty",
        "a backend that indents its JSON",
        "a third of the text is white space; objects in an array",
        events.backend,
        uuids,
        _indented,
    ),
    Corpus(
        "utf8",
        "a backend with customers in several countries",
        "text beyond ASCII as raw UTF-8, white space between items",
        events.international,
        uuids,
        _spaced,
    ),
    Corpus(
        "escapes",
        "Python's `json.dumps` and `requests`",
        "the same text as `\\u` escapes, white space between items",
        events.international,
        uuids,
        json.dumps,
    ),
    Corpus(
        "offsets",
        "a backend that sends local times",
        "times with microseconds and `+01:00`",
        events.local_times,
        uuids,
    ),
    Corpus(
        "ndjson-gzip",
        "a log shipper",
        "lines in gzip, two fields of its own, another order of fields",
        events.shipped_lines,
        uuids,
        content_type=_NDJSON,
        is_gzipped=True,
    ),
    Corpus(
        "nested",
        "a library in the manner of Segment's analytics.js",
        "an own field `context` of 2 KB with objects in objects",
        events.nested,
        prefixed_uuids,
    ),
)

CORPORA = {each.name: each for each in _ALL}
