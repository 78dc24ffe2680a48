from http1.request_queue import RequestQueue
from tests.http1.raw_http import request

GET = request("GET", "/a")
POST_HEAD = request("POST", "/e", [("Content-Length", "4")])
GARBAGE = b"\x16\x03\x01\x02\r\n\r\n"


def read(*pieces: bytes) -> RequestQueue:
    queue = RequestQueue()
    for piece in pieces:
        queue.add(piece)
        queue.parse()
    return queue


def paths(queue: RequestQueue) -> list[str]:
    return [each.start_line.path for each in queue.requests]


def test_a_request_is_available_before_its_body() -> None:
    queue = read(POST_HEAD, b"ab")
    (only,) = queue.requests
    assert ("/e", [b"ab"], False) == (only.start_line.path, only.body, only.is_complete)


def test_a_request_is_whole_with_its_body() -> None:
    (only,) = read(POST_HEAD, b"ab", b"cd").requests
    assert ([b"ab", b"cd"], True) == (only.body, only.is_complete)


def test_a_body_in_tiny_chunks_is_few_pieces() -> None:
    head = request("POST", "/e", [("Transfer-Encoding", "chunked")])
    (only,) = read(head, b"2\r\nab\r\n" * 1000, b"2\r\ncd\r\n" * 1000).requests
    assert [b"ab" * 1000, b"cd" * 1000] == only.body


def test_the_pieces_of_a_body_stay_with_their_request() -> None:
    one, other = request("POST", "/a", [], b"one"), request("POST", "/b", [], b"other")
    queue = read(GET + one + other)
    assert [[], [b"one"], [b"other"]] == [each.body for each in queue.requests]


def test_a_request_that_was_sent_ahead_fills_the_queue() -> None:
    assert not read(GET).is_full, "one request fills it"
    assert read(GET, GET).is_full


def test_while_a_second_request_waits_nothing_more_is_parsed() -> None:
    queue = read(GET, GET, GET)
    assert ["/a", "/a"] == paths(queue)
    queue.requests.popleft()
    queue.parse()
    assert ["/a", "/a"] == paths(queue)


def test_garbage_leaves_the_requests_before_it() -> None:
    queue = read(GET + GARBAGE)
    assert ["/a"] == paths(queue)
    assert queue.failure is not None


def test_garbage_in_a_body_drops_its_request() -> None:
    chunked = request("POST", "/e", [("Transfer-Encoding", "chunked")])
    queue = read(GET, chunked, b"zz\r\n")
    assert ["/a", "/e"] == paths(queue)
    queue.requests.popleft()
    queue.parse()
    assert [] == paths(queue)
    assert queue.failure is not None


def test_nothing_is_parsed_after_garbage() -> None:
    assert [] == paths(read(GARBAGE, GET))


def test_a_cleared_queue_has_neither_requests_nor_bytes() -> None:
    queue = read(GET, GET, GET)
    queue.clear()
    queue.parse()
    assert [] == paths(queue)
    assert not queue.is_full


def test_a_client_waits_for_a_continue_if_it_speaks_http_1_1_and_expects_one() -> None:
    head = request("POST", "/e", [("Expect", "100-Continue"), ("Content-Length", "4")])
    old = head.replace(b"HTTP/1.1", b"HTTP/1.0")
    sent = {"HTTP/1.1": head, "HTTP/1.0": old, "no Expect": POST_HEAD}
    waiting = [name for name, each in sent.items() if read(each).requests[0].waits_for_continue]
    assert ["HTTP/1.1"] == waiting
