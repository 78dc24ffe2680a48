"""Requests of every kind, and the circumstances in which they arrive, for Hypothesis."""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from storage.refusals import JournalBusy, JournalFull, JournalUnavailable, Refusal, Unconfirmed
from tests.handlers.server import BATCH, EVENT, MAX_BODY_BYTES, ONE, SHOP, Site, make_site
from tests.http1.raw_http import request

_ALIAS = "/a1"


@dataclass
class World:
    """The circumstances of a request."""

    refused: Refusal | None = None
    refused_late: Refusal | None = None
    origins: Sequence[str] = ("*",)
    trusted: Sequence[str] = ()
    budget: int | None = None

    def site(self) -> Site:
        site = make_site(self.origins, self.trusted, aliases=[_ALIAS])
        site.sink.refused, site.sink.refused_late = self.refused, self.refused_late
        if self.budget is not None:
            site.budget.left = self.budget
        return site


EVENT_TEXTS = [
    EVENT,
    b'{"event_id":"a","event_type":"c"}',
    b'{"event_id":"a","event_type":"d"}',
    b'{"event_id":"b","event_type":"c","user_id":7,"own":"\xc3\xa9"}',
    b'{"event_id":"b","event_type":"c","sent_at":"2026-11-23T17:31:00.000Z"}',
    b'{"event_type":""}',
    b'{"event_type":"c","event_type":"d"}',
    b'{"event_type":"c","n":1e999,"event_id":"..x"}',
    b'{ "event_type" : "c" , "properties" : {"a": null} }',
    b'{"event_type":"c","properties":{"a":"' + b"x" * 2000 + b'"}}',
    b"[]",
    b"7",
    b"{",
    b"\xff",
    b"",
]
TARGETS = [ONE, BATCH, f"{_ALIAS}/e", f"{_ALIAS}/b", f"{_ALIAS}{ONE}"]
ODD_TARGETS = [
    f"{ONE}/",
    f"{ONE}?a=b",
    f"/{BATCH}",
    f"http://test{ONE}",
    f"{ONE}?selftest={'0' * 32}.row.1",
    "/api/v1/nothing",
    "/health",
    "/api/v1/pixel.gif",
]
FIELDS = [
    ("Origin", SHOP),
    ("Origin", "https://other.example"),
    ("Origin", "https://test"),
    ("origin", "null"),
    ("Origin", "a b"),
    ("Referer", "https://other.example/page"),
    ("X-Request-Id", "given-1"),
    ("X-Request-Id", "not an id"),
    ("X-Forwarded-For", "6.6.6.6, 192.0.2.3"),
    ("X-Forwarded-For", "nonsense"),
    ("X-Forwarded-Host", "shop.example, b"),
    ("X-Real-IP", "192.0.2.4"),
    ("User-Agent", "agent/1"),
    ("User-Agent", "gr\xc3\xbcn"),
    ("User-Agent", "a" * 2000),
    ("Content-Type", "application/json"),
    ("Content-Type", "Application/X-NDJSON; charset=utf-8"),
    ("Content-Type", "multipart/form-data; boundary=a"),
    ("Content-Type", ""),
    ("Content-Encoding", "GZIP"),
    ("Content-Encoding", "br"),
    ("Content-Encoding", "identity"),
    ("Connection", "close"),
    ("Connection", "keep-alive"),
    ("Connection", "Upgrade"),
    ("Upgrade", "h2c"),
    ("Expect", "100-continue"),
    ("Authorization", "Bearer x"),
    ("Accept", "*/*"),
]
REFUSALS: list[Refusal | None] = [
    None,
    None,
    None,
    JournalFull("the journal is full", 7),
    JournalBusy("the disk is slow", 1),
    JournalUnavailable("the disk is gone", 5),
]


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    texts = draw(st.lists(st.sampled_from(EVENT_TEXTS), max_size=12))
    body = draw(
        st.sampled_from(
            [
                texts[0] if texts else b"",
                b"[" + b",".join(texts) + b"]",
                b"\n".join(texts),
                b"x" * (MAX_BODY_BYTES + 1),
                b"[" + b" " * (MAX_BODY_BYTES - 2) + b"]",
            ][: 3 if draw(st.integers(0, 9)) else 5]
        )
    )
    packed = gzip.compress(body, mtime=0)
    return draw(st.sampled_from([body, body, body, packed, packed[:-5]]))


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    is_odd = draw(st.integers(0, 4)) == 0
    method = draw(st.sampled_from(["POST", "OPTIONS", "GET", "PUT"])) if is_odd else "POST"
    target = draw(st.sampled_from(TARGETS + ODD_TARGETS if is_odd else TARGETS))
    fields = draw(st.lists(st.sampled_from(FIELDS), max_size=5, unique_by=lambda each: each[0]))
    body = draw(bodies())
    if is_odd:
        fields += draw(st.lists(st.sampled_from(FIELDS), max_size=2))
    if is_odd and draw(st.booleans()):
        head = request(method, target, [*fields, ("Transfer-Encoding", "chunked")])
        return head + (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
    sent = request(method, target, fields, body)
    if is_odd:
        version = draw(st.sampled_from([b"HTTP/1.1", b"HTTP/1.0"]))
        host = draw(st.sampled_from([b"test", b"test:80", b"[::1]:80", b"a,b", b"a b", b""]))
        sent = sent.replace(b"HTTP/1.1", version, 1).replace(b"Host: test", b"Host: " + host, 1)
    return sent


@st.composite
def worlds(draw: st.DrawFn) -> World:
    return World(
        refused=draw(st.sampled_from(REFUSALS)),
        refused_late=draw(st.sampled_from([None, None, None, Unconfirmed("no store", 5)])),
        origins=draw(st.sampled_from([["*"], [SHOP]])),
        trusted=draw(st.sampled_from([[], ["10.0.0.0/8"]])),
        budget=draw(st.sampled_from([None, None, None, 30])),
    )


@st.composite
def pieces(draw: st.DrawFn) -> list[bytes]:
    sent = draw(st.lists(requests(), min_size=1, max_size=4))
    if draw(st.booleans()):
        return sent
    whole = b"".join(sent)
    at = draw(st.integers(0, len(whole)))
    return [whole[:at], whole[at:]]
