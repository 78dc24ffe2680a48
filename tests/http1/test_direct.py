import pytest

from http1.direct import PlainPost, plain_post
from http1.request_queue import RequestQueue
from tests.http1.raw_http import request

HEADERS = [("Content-Type", "text/plain")]
POST = request("POST", "/e", HEADERS, b"ab")


def offered(*pieces: bytes) -> PlainPost | None:
    queue = RequestQueue()
    for piece in pieces:
        queue.add(piece)
        queue.parse()
    return plain_post(queue.requests[0], "192.0.2.1")


def test_a_plain_post_has_the_parts_of_its_request() -> None:
    fields = {b"host": b"test", b"content-type": b"text/plain", b"content-length": b"2"}
    assert PlainPost("/e", fields, b"ab", "192.0.2.1") == offered(POST)


def test_a_body_in_pieces_is_joined() -> None:
    post = offered(POST[:-1], POST[-1:])
    assert post is not None
    assert b"ab" == post.body


@pytest.mark.parametrize(
    "sent",
    [
        POST[:-1],
        POST.replace(b"POST", b"PUT"),
        POST.replace(b"HTTP/1.1", b"HTTP/1.0"),
        POST.replace(b"Host: test", b"Host: a,b"),
        POST.replace(b"Host: test", b"Host: [::1]"),
        request("POST", "/e", [("A", "1"), ("a", "2")], b"ab"),
        request("POST", "/e", [("Expect", "100-continue")], b"ab"),
        request("POST", "/e", [("Connection", "Upgrade"), ("Upgrade", "h2c")], b"ab"),
        request("POST", "/e", [("Transfer-Encoding", "chunked")]) + b"0\r\n\r\n",
    ],
)
def test_anything_else_is_for_a_handler(sent: bytes) -> None:
    assert offered(sent) is None
