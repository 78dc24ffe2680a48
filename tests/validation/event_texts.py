"""Random texts of events, made of pieces that two programs are likely to read differently.

Each text has one sender, whose events have the same fields in the same order, as real ones have.
"""

import random

STRINGS = [
    '""', '" "', '"\\t\\n"', '"a"', '"click"', '"a b"', '"é€😀"', '"\\u0041"', '"\\u0022"', '"\\""',
    '"\\\\"', '"a\\/b"', '"\\u0000"', '"\\ud83d\\ude00"', '"\\ud83d"', '"\x7f"', '"\x01"', '"{[{["',
    '"\u2028"', '"\\u00e9"', '"\\b\\f\\u001F"', '"e1e16"', '"..a"', '"a..b"', '"-_."', '"a\\n"',
    *(f'"{c * n}"' for c in "a😀" for n in (127, 128, 129, 255, 256, 257)),
]  # fmt: skip
NUMBERS = [
    "0",
    "-0",
    "1",
    "1.0",
    "1.50",
    "-1.5e3",
    "1e2",
    "1E5",
    "1e16",
    "1e+16",
    "1e-7",
    "0.000001",
    "1e400",
    "0.1",
    "-0.0",
    "5e-324",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "-9223372036854775809",
    "123456789012345678901",
    "1.7976931348623157e308",
    "12345678901234567890.5",
    "1.00000000000000000001",
    "01",
    "1.",
    ".5",
    "+1",
    "NaN",
    "Infinity",
    "-Infinity",
]
TIMES = [
    "2026-11-23T17:30:00.123Z",
    "2026-11-23T17:30:00Z",
    "2026-11-23T17:30:00.1234Z",
    "2026-11-24T17:30:00.000Z",
    "2026-11-24T17:30:00.001Z",
    "2026-11-24T17:29:59.999Z",
    "2026-11-24T17:29:58.999Z",
    "2000-01-01T00:00:00.000Z",
    "1999-12-31T23:59:59.999Z",
    "2026-02-29T00:00:00.000Z",
    "2024-02-29T00:00:00.000Z",
    "2026-11-23T24:00:00.000Z",
    "2026-11-23T23:59:60.000Z",
    "2026-11-22T23:59:60.000Z",
    "2026-11-23t17:30:00.123z",
    "2026-11-23T17:30:00.123+01:00",
    "2026-11-23T17:30:00.123",
    "2026-11-23T17:30:00,123Z",
    "2026-1a-23T17:30:00.123Z",
    "٢٠٢٦-11-23T17:30:00.123Z",
    "2026-11-23T17:30:0a.123Z",
    "2026-W47-1T17:30:00.123Z",
    "2026-11-23T17:29:58.000Z",
    "2026-11-23T17:29:57.999Z",
    "2026-11-23T17:30:02.001Z",
    "2026-11-23T17:20:00.000Z",
    "2026-11-23",
    "2026-11-23 18:30:00 +0100",
    "20261123T173000Z",
    "2026-11-23T17:30Z",
]
TIMES += ["", "2026-11-23 17:30:00.123Z", "2026-11-23T17:30:00.000Z", "0001-01-01T00:00:00.000Z"]
TIMES += [
    "2026-11-23T17:29:00.456789+00:00",
    "9999-12-31T23:59:59.999Z",
    "2026-11-23T17:30:00.1234",
]
FIELDS = ["event_id", "event_type", "user_id", "session_id", "timestamp", "properties", "sent_at"]
SERVER_FIELDS = ["received_at", "user_agent", "ip_address", "original_timestamp"]
SERVER_FIELDS += ["clock_correction_ms", "original_event_id"]
OTHER_FIELDS = [
    "own",
    *SERVER_FIELDS,
    "event_typ\\u0065",
    "Event_Id",
    "u\N{LATIN SMALL LETTER LONG S}er_id",
    "OWN",
    "utm",
    "UTM",
    "",
]
BEACON = ["event_id", "timestamp", "event_type", "user_id", "session_id", "properties"]
SDK = ["event_id", "event_type", "project_id", "user_id", "session_id", "timestamp", "browser"]
# The fields of senders in their order; an event may lack any of them.
SENDERS = [
    [*BEACON, "sent_at"],
    [*BEACON, "lost_events", "key", "sent_at"],
    [*SDK, "os", "channel", "email", "user_agent", "properties"],
    ["event_type", "timestamp", "context", "properties", "integrations", "sent_at"],
    ["gr\u00f6\u00dfe", "class", "sent_at", "event_type", "\U0001f600", "own"],
    ['q\\"uote', "back\\\\slash", "event_type", "line\\nend", "properties"],
    [*SERVER_FIELDS, "event_type", "timestamp", "sent_at", "own"],
]
# Comma and colon of JavaScript, Python, an indented text, and none of them.
STYLES = [(",", ":")] * 7 + [(", ", ": "), (",\n  ", ": "), (" ,\n", "\t:")]
PLAIN = ["a", "page_view", "u-17", "k3j9x2lq8mz1a0", "Z\u00fcrich", "\\u00e9"]
PLAIN_IDS = ['"a"', '"u-17"', '"k3j9x2lq8mz1a0"', "17", "-1", "null", '""']
PLAIN_OTHERS = ['"x"', "1", "1.5", "true", "null", "[1,2]", '{"b":1}', '""', "[]", "{}", "1e+20"]
# The reader under test takes at most four.
SIZES = [0, 1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 4, 4, 5]
KINDS = ["one", "array", "lines"]


# An event of each of several senders, as they send it.
_BEACON: dict[str, object] = {
    "event_id": "1c9f2a7e-44a1-4f0e-9d2b-6a4b5c1d2e3f",
    "timestamp": "2026-11-23T17:29:55.123Z",
    "event_type": "page_view",
    "session_id": "k3j9x2lq8mz1a0",
    "properties": {"url": "https://shop.example/?q=apple+pie", "ratio": 0.25, "first": True},
}
REAL_EVENTS: dict[str, dict[str, object]] = {
    "beacon.js": _BEACON | {"sent_at": "2026-11-23T17:30:00.000Z"},
    "beacon.js with a field of its own": _BEACON | {"key": "k", "sent_at": "2026-11-23T17:30:00Z"},
    "a clock that is late": _BEACON | {"sent_at": "2026-11-23T17:28:30.000Z"},
    "an SDK": {
        "event_type": "purchase",
        "project_id": "p-17",
        "user_id": 4711,
        "session_id": None,
        "event_id": "",
        "timestamp": "2026-11-23T18:29:55.123456+01:00",
        "browser": "Firefox 140",
        "email": "u@example.com",
        "user_agent": "Mozilla/5.0",
        "properties": {"amount": 12.5, "items": [{"sku": "a", "n": 2}]},
    },
    "umlauts": {
        "event_type": "größe",
        "stra\u00dfe": "Z\u00fcrich",
        "properties": {"\U0001f600": "ä"},
    },
    "nested objects": {
        "event_type": "track",
        "context": {"page": {"path": "/", "list": [1.5, {}, []]}, "library": {"name": "x"}},
        "integrations": {"All": True},
        "properties": [],
    },
}


class Texts:
    """Random texts, most of them meant for the fast path."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._style = STYLES[0]

    def _maybe(self, share: float) -> bool:
        return self._chance.random() < share

    def _value(self, depth: int = 0) -> str:
        kind = self._chance.random()
        if kind < 0.4:
            return self._chance.choice(STRINGS)
        if kind < 0.7:
            return self._chance.choice(NUMBERS)
        if kind < 0.85 or depth > 2:
            return self._chance.choice(["true", "false", "null"])
        if self._maybe(0.1):
            levels = self._chance.choice([61, 62, 63, 64, 65, 1100])
            return "[" * levels + "]" * levels
        inner = [self._value(depth + 1) for _ in range(self._chance.randrange(4))]
        if self._maybe(0.5):
            return f"[{','.join(inner)}]"
        return self._object([(self._chance.choice("abc"), each) for each in inner])

    def _object(self, fields: list[tuple[str, str]]) -> str:
        comma, colon = self._style
        return "{" + comma.join([f'"{name}"{colon}{value}' for name, value in fields]) + "}"

    def _plain(self, name: str) -> str:
        if name in {"timestamp", "sent_at"}:
            return f'"{self._chance.choice(TIMES[:1] * 150 + TIMES)}"'
        if name == "event_id":
            return f'"{self._chance.choice(PLAIN[:4])}"'
        if name == "event_type":
            return f'"{self._chance.choice(PLAIN)}"'
        if name in {"user_id", "session_id"}:
            return self._chance.choice(PLAIN_IDS[:3] * 3 + PLAIN_IDS)
        if name != "properties":
            return self._chance.choice(PLAIN_OTHERS)
        names = self._chance.sample("abcd", self._chance.randrange(4))
        return self._object([(each, self._nested()) for each in names])

    def _nested(self) -> str:
        if self._maybe(0.97):
            return self._chance.choice(PLAIN_OTHERS)
        levels = self._chance.randrange(60, 66)
        return "[" * levels + "]" * levels

    def _sender(self) -> list[str]:
        names = self._chance.choice(SENDERS) if self._maybe(0.8) else [*FIELDS]
        if self._maybe(0.1):
            names = [*names, self._chance.choice(OTHER_FIELDS + FIELDS)]
        if self._maybe(0.1):
            names = self._chance.sample(names, len(names))
        return names

    def _event(self, sender: list[str], odd: float) -> str:
        names = [name for name in sender if name == "event_type" or self._maybe(0.8)]
        return self._object(
            [(each, self._value() if self._maybe(odd) else self._plain(each)) for each in names]
        )

    def text(self) -> tuple[bytes, str]:
        """Return a text and its kind, one of KINDS."""
        kind = self._chance.choice(KINDS)
        self._style = self._chance.choice(STYLES)
        sender = self._sender()
        odd = 0.15 if self._maybe(0.25) else 0.0
        size = 1 if kind == "one" else self._chance.choice(SIZES)
        comma = self._chance.choice([",", ",", ",", " ,", ",\n"]) if kind == "array" else "\n"
        text = comma.join([self._event(sender, odd) for _ in range(size)])
        if kind == "array":
            text = f"[{text}]"
        elif self._maybe(0.2):
            text += self._chance.choice(["\n", "\r\n", " ", "\n\n{}"])
        raw = text.encode("utf-8")
        if raw and self._maybe(0.03):
            at = self._chance.randrange(len(raw))
            raw = raw[:at] + bytes([self._chance.randrange(256)]) + raw[at + 1 :]
        return (b"\xef\xbb\xbf" if self._maybe(0.01) else b"") + raw, kind
