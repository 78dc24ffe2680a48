"""Requests and malformed input, parsed byte by byte and all at once."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from tornado.httputil import HTTPHeaders, RequestStartLine

from http1.fields import HeaderFields
from http1.parser import (
    MAX_CHUNK_OVERHEAD_BYTES,
    MAX_HEAD_BYTES,
    MAX_HEAD_FIELDS,
    BadRequest,
    HeadTooLarge,
    RequestParser,
)

GET = b"GET /a?b=c HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST /e HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nabcd"
CHUNKED = b"POST /e HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
H2C = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
LENGTH = b"Content-Length: 1\r\n"
IN_CHUNKS = b"Transfer-Encoding: chunked\r\n"


@dataclass
class Requests:
    """Callbacks that note each request as `METHOD url body`; `METHOD*` if it is the last one."""

    parsed: list[str] = field(default_factory=list)
    headers: list[HTTPHeaders] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)

    def head_received(
        self, start_line: RequestStartLine, fields: HeaderFields, *, keep_alive: bool
    ) -> None:
        assert not self._open
        self.headers.append(fields.as_headers())
        end = "" if keep_alive else "*"
        self._open = [f"{start_line.method}{end} {start_line.path} "]

    def body_received(self, piece: bytes) -> None:
        self._open.append(piece.decode("latin-1"))

    def request_completed(self) -> None:
        self.parsed.append("".join(self._open))
        self._open = []


def parse(*pieces: bytes) -> Requests:
    found = Requests()
    parser = RequestParser(found)
    for piece in pieces:
        parser.feed(piece)
    return found


def cut(data: bytes, chance: random.Random) -> list[bytes]:
    places = sorted(chance.sample(range(len(data)), min(5, len(data))))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


REQUESTS: list[tuple[bytes, list[str]]] = [
    (GET, ["GET /a?b=c "]),
    (POST, ["POST /e abcd"]),
    (POST + GET + POST, ["POST /e abcd", "GET /a?b=c ", "POST /e abcd"]),
    (b"\r\n" + GET, ["GET /a?b=c "]),
    (CHUNKED + b"3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n" + GET, ["POST /e abcd", "GET /a?b=c "]),
    (CHUNKED + b"0\r\nHost: trailer\r\nX: y\r\n\r\n", ["POST /e "]),
    (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", ["GET* / "]),
    (b"GET / HTTP/1.0\r\nHost: h\r\n\r\n", ["GET* / "]),
    (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", ["GET / "]),
    (b"PROPFIND / HTTP/1.1\r\nHost: h\r\n\r\n", ["PROPFIND / "]),
    (b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", ["OPTIONS * "]),
    ("GET /ü?ö=€ HTTP/1.1\r\nHost: h\r\n\r\n".encode(), ["GET /%C3%BC?%C3%B6=%E2%82%AC "]),
    (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n\xe9", ["POST / \xe9"]),
    ("\r\n\r\nGET /ü HTTP/1.1\r\nHost: h\r\n\r\n".encode(), ["GET /%C3%BC "]),
    (b"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n" * 2 + GET, ["CONNECT a "] * 2 + ["GET /a?b=c "]),
    (H2C + b"\r\n" + GET, ["POST / ", "GET /a?b=c "]),
    (H2C + b"Content-Length: 2\r\n\r\nab" + GET, ["POST / ab", "GET /a?b=c "]),
    (H2C + b"transfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", ["POST / ab"]),
]


@pytest.mark.parametrize(("sent", "expected"), REQUESTS, ids=range(len(REQUESTS)))
def test_requests_are_parsed_regardless_of_how_they_are_cut(
    sent: bytes, expected: list[str]
) -> None:
    assert expected == parse(sent).parsed
    assert expected == parse(*(sent[at : at + 1] for at in range(len(sent)))).parsed
    chance = random.Random(sent)
    for _ in range(100):
        assert expected == parse(*cut(sent, chance)).parsed


BAD_REQUESTS = [
    b"hello\r\n\r\n",
    b"BREW / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /\r\n\r\n",
    b"GET / HTTP/2.0\r\nHost: h\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/1.1\nHost: h\n\n",
    b"GET / HTTP/1.1\r\nHost : h\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n",
    b"GET / HTTP/1.1\r\n: h\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\na",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"POST / HTTP/1.1\r\nHost: h\r\n" + LENGTH + IN_CHUNKS + b"\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\n" + IN_CHUNKS + LENGTH + b"\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\nab",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    H2C + b"Transfer-Encoding: gzip\r\n\r\nab",
    CHUNKED + b"x\r\n",
    CHUNKED + b"-1\r\na\r\n",
    CHUNKED + b"1\r\nab\r\n",
    CHUNKED + b"1\na\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
    b"GET / HTTP/1.0\r\nHost: h\r\nhost: i\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h:" + b"1" * 4301 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h:" + b"0" * 6 + b"\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\n" + LENGTH + LENGTH + b"\r\na",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\na",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + b"0" * 4301 + b"1\r\n\r\na",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\n" + IN_CHUNKS * 2 + b"\r\n0\r\n\r\n",
    b"POST / HTTP/1.0\r\nHost: h\r\n" + IN_CHUNKS + b"\r\n0\r\n\r\n",
    H2C + b"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    CHUNKED + b"0" * 4301 + b"1\r\na\r\n0\r\n\r\n",
    CHUNKED + b"f" * 4301 + b"\r\na\r\n0\r\n\r\n",
]


@pytest.mark.parametrize("sent", BAD_REQUESTS, ids=range(len(BAD_REQUESTS)))
def test_malformed_input_is_refused_regardless_of_how_it_is_cut(sent: bytes) -> None:
    with pytest.raises(BadRequest):
        parse(sent)
    with pytest.raises(BadRequest):
        parse(*(sent[at : at + 1] for at in range(len(sent))))


def get(*fields: bytes, path: bytes = b"/") -> bytes:
    return b"\r\n".join([b"GET %b HTTP/1.1" % path, b"Host: h", *fields, b"", b""])


LARGE_HEADS = [
    lambda more: get(path=b"/" + b"a" * (MAX_HEAD_BYTES - len(get()) + more)),
    lambda more: get(b"X: " + b"y" * (MAX_HEAD_BYTES - len(get(b"X: ")) + more)),
    lambda more: get(b"X:" + b" " * (MAX_HEAD_BYTES - len(get(b"X:y")) + more) + b"y"),
    lambda more: get(*[b"A: b"] * (MAX_HEAD_FIELDS - 1 + more)),
]


@pytest.mark.parametrize("head", LARGE_HEADS, ids=["URL", "field", "space", "fields"])
def test_a_head_is_too_large_from_its_limit_on(head: Callable[[int], bytes]) -> None:
    assert 2 == len(parse(head(0) + head(0)).parsed)
    found = Requests()
    with pytest.raises(HeadTooLarge):
        RequestParser(found).feed(head(0) + head(1) + GET)
    assert 1 == len(found.parsed)


def chunked(*chunks: bytes, trailer: bytes = b"") -> bytes:
    return b"".join([CHUNKED, *chunks, b"0\r\n", trailer, b"\r\n"])


LIMIT = MAX_CHUNK_OVERHEAD_BYTES
OVERHEADS = [
    lambda more: chunked(b"1;" + b"x" * (LIMIT + more - 1) + b"\r\na\r\n"),
    lambda more: chunked(b"1;%b\r\na\r\n" % (b"x" * 63) * (LIMIT // 64) + b"01\r\na\r\n" * more),
    lambda more: chunked(trailer=b"X:" + b"y" * (LIMIT + more - 4) + b"\r\n"),
    lambda more: chunked(b"0" * (LIMIT + more) + b"1\r\na\r\n"),
]


@pytest.mark.parametrize("body", OVERHEADS, ids=["one", "many", "trailer", "zeros"])
def test_the_overhead_of_a_chunked_body_is_limited(body: Callable[[int], bytes]) -> None:
    for sent in (body(0), body(0) + GET, GET + body(0)):
        assert parse(sent).parsed
    for pieces in ([body(9)], [body(9) + GET], [body(9)[:100], body(9)[100:]]):
        with pytest.raises(BadRequest, match=f"{LIMIT} bytes"):
            parse(*pieces)


@pytest.mark.parametrize("size", [1, 2, 15, 16, 17, 255, 256, 4095, 4096, 70_000])
def test_the_framing_of_chunks_is_no_overhead(size: int) -> None:
    chunk = b"%x\r\n%b\r\n" % (size, b"a" * size)
    small = b"1\r\na\r\n"
    for chunks in ([chunk] * 3000, [chunk, small] * 1500, [small] * 3000 + [chunk]):
        body = b"".join(chunks)
        (found,) = parse(chunked(body)).parsed
        assert found.endswith("a")


def test_requests_before_malformed_input_are_parsed() -> None:
    found = Requests()
    with pytest.raises(BadRequest):
        RequestParser(found).feed(POST + b"?\r\n\r\n")
    assert ["POST /e abcd"] == found.parsed


@pytest.mark.parametrize(
    ("begun", "limit"),
    [
        (b"GET / HTTP/1.1\r\nX: ", MAX_HEAD_BYTES),
        (b"GET /", MAX_HEAD_BYTES),
        (CHUNKED + b"1\r\na\r\n0\r\nX: ", MAX_CHUNK_OVERHEAD_BYTES),
        (CHUNKED + b"1;x=", MAX_CHUNK_OVERHEAD_BYTES),
    ],
    ids=["field", "URL", "trailer field", "chunk extension"],
)
def test_an_element_that_never_ends_is_refused_at_its_limit(begun: bytes, limit: int) -> None:
    parser = RequestParser(Requests())
    parser.feed(begun)
    with pytest.raises(BadRequest, match=f"{limit} bytes"):
        for _ in range(limit // 1000 + 1):
            parser.feed(b"y" * 1000)


def test_each_byte_of_a_header_field_is_one_character() -> None:
    (headers,) = parse(b"GET / HTTP/1.1\r\nHost: h\r\nuser-agent:\t gr\xfcn \t\r\n\r\n").headers
    assert [("Host", "h"), ("User-Agent", "gr\xfcn")] == list(headers.get_all())


def test_a_repeated_header_field_keeps_both_values() -> None:
    (headers,) = parse(b"GET / HTTP/1.1\r\nHost: h\r\nx: a\r\nX: b\r\n\r\n").headers
    assert ["a", "b"] == headers.get_list("X")


def test_many_requests_to_upgrade_in_one_piece_are_parsed() -> None:
    assert 3000 == len(parse(b"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n" * 3000).parsed)


def test_a_trailer_field_is_not_a_header_field() -> None:
    (headers,) = parse(CHUNKED + b"0\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n").headers
    assert "X-Forwarded-For" not in headers


@pytest.mark.parametrize("seed", range(20))
def test_garbage_is_parsed_or_refused_and_never_a_defect(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(200):
        data = bytearray(chance.choice([GET, POST, CHUNKED + b"1\r\na\r\n0\r\n\r\n"]) * 2)
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        found: Any = None
        try:
            found = parse(*cut(bytes(data), chance))
        except BadRequest:
            continue
        assert len(found.parsed) <= 3


def test_a_malformed_request_is_reported_also_while_another_error_is_handled() -> None:
    long_head = b"GET / HTTP/1.1\r\nX: " + b"a" * (MAX_HEAD_BYTES + 1)
    try:
        raise KeyError("an error that a handler responds to")
    except KeyError:
        with pytest.raises(BadRequest, match="the request head is over"):
            RequestParser(Requests()).feed(long_head)
