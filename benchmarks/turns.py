"""The longest time for which reading one request body holds the event loop.

    .venv/bin/python -m benchmarks.turns

Each body has about 5 MiB and is made to be expensive. For each way to send it, the CPU time of the
longest turn and of all turns is printed, in milliseconds, and then the worst again.
"""

import gc
import time
from collections.abc import Callable, Iterator

from validation.ids import random_ids
from validation.outcomes import RequestInfo
from validation.reader import BodyError, EventReader
from validation.turns import Turns

_BODY_BYTES = 5 * 1024 * 1024
_EVENT_BYTES = 256 * 1024
_LONG_S = 0.04
_ROUNDS = 3
_INFO = RequestInfo("2026-11-23T17:30:00.000Z", "192.0.2.7", "agent/1")
_DEEP_KEYS = b"".join(b'{"%b":' % ("😀" * 100).encode() for _ in range(60))

# What arrays are filled with, and what makes the text suspicious.
_ITEMS = {
    "integers": b"1,",
    "doubles": b"1.5,",
    "objects": b"{},",
    "members": b'{"a":1},',
    "arrays": b"[],",
    "deep arrays": b"[[[]]],",
    "strings": b'"a",',
    "escapes": b'"\\u0041\\u0041",',
    "long numbers": b"1234567890123456789,",
    "too large integers": b"99999999999999999999,",
    "too large doubles": b"1e999,",
    "surrogates": b'"\\ud800",',
    "white space": b"1" + b" " * 99 + b",",
}
_SUSPICIONS = {
    "nothing": b"",
    "a lost integer": b'"b":99999999999999999999,',
    "a doubled key": b'"b":1,"b":1,',
    "NaN": b'"b":NaN,',
    "Latin-1": b'"b":"\xe9",',
}


def _event(items: bytes, suspicion: bytes, size: int) -> bytes:
    inner = (items * max(1, size // len(items)))[:-1]
    return b'{"event_type":"c",%b"properties":{"a":[%b]}}' % (suspicion, inner)


def bodies() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the text of each body: one event, an array, or lines."""
    for what, items in _ITEMS.items():
        for why, suspicion in _SUSPICIONS.items():
            name = f"{what} and {why}"
            yield f"one event of {name}", _event(items, suspicion, _BODY_BYTES)
            large = _event(items, suspicion, _EVENT_BYTES - 500)
            several = [large] * (_BODY_BYTES // len(large))
            yield f"large events of {name}", b"[%b]" % b",".join(several)
            small = _event(items, suspicion, _BODY_BYTES // 1000 - 200)
            yield f"small events of {name}", b"[%b]" % b",".join([small] * 1000)
        yield f"an array of {what}", b"[%b1]" % (items * (_BODY_BYTES // len(items)))
        yield f"an array of {what} and NaN", b"[%bNaN]" % (items * (_BODY_BYTES // len(items)))
    deep = b"[%b" % (b"1," * ((_EVENT_BYTES - len(_DEEP_KEYS)) // 2 - 500))
    nested = b'{"event_type":"c","b":99999999999999999999,"a":%b%b1]%b}'
    yield "deep long keys", nested % (_DEEP_KEYS, deep, b"}" * 60)
    yield "open brackets", b"[" * _BODY_BYTES
    yield "open objects", b'{"a":' * (_BODY_BYTES // 5)
    yield "quotes", b"[" + b'"' * _BODY_BYTES + b"]"
    yield "backslashes", b'["' + b"\\" * _BODY_BYTES + b'"]'
    yield "invalid events", b"[%b{}]" % (b"{}," * 999)
    yield "events of many fields", b"[%b]" % b",".join([_fields(5000)] * 1000)
    yield "one event of many fields", _fields(_EVENT_BYTES - 500)


def _fields(size: int) -> bytes:
    """Return an event whose names differ only in case, two by two."""
    names = (b"%c%d" % (b"aA"[at % 2], at // 2) for at in range(size // 12))
    return b"{%b}" % b",".join(b'"%b":1' % name for name in names)


def _time(turns: Turns[object]) -> tuple[float, float]:
    longest = total = 0.0
    while True:
        before = time.thread_time()
        try:
            next(turns)
            is_done = False
        except (StopIteration, BodyError):
            is_done = True
        spent = time.thread_time() - before
        longest, total = max(longest, spent), total + spent
        if is_done:
            return longest, total


def _lines(body: bytes) -> bytes:
    return body[1:-1].replace(b'},{"event_type', b'}\n{"event_type')


def main() -> None:
    """Print the report."""
    gc.freeze()
    reader = EventReader(_EVENT_BYTES, 1000, random_ids().__next__, time.time)
    ways: dict[str, Callable[[bytes], Turns[object]]] = {
        "single": lambda body: reader.single_in_turns(body, _INFO),
        "batch": lambda body: reader.batch_in_turns(body, _INFO),
        "NDJSON": lambda body: reader.ndjson_in_turns(_lines(body), _INFO),
    }
    found = []
    for name, body in bodies():
        for way, read in ways.items():
            longest, total = _time(read(body))
            if longest > _LONG_S:
                longest, total = min(_time(read(body)) for _ in range(_ROUNDS))
            found.append((longest, total, f"{way}: {name}"))
            print(f"{longest * 1000:8.1f} {total * 1000:8.1f}  {way}: {name}", flush=True)
    print("The worst:")
    for longest, total, name in sorted(found)[-20:]:
        print(f"{longest * 1000:8.1f} {total * 1000:8.1f}  {name}")


if __name__ == "__main__":
    main()
