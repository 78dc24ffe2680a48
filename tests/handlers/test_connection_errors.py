import json

from handlers.connection_errors import ConnectionErrors


def test_malformed_input_gets_the_common_form_of_an_error() -> None:
    assert (
        b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n"
        b"X-Request-Id: r1\r\nContent-Length: 90\r\n\r\n"
        b'{"status":"error","error":{"code":"bad_request","message":"no method"},'
        b'"request_id":"r1"}\n'
    ) == ConnectionErrors().bad_request("no method", "r1")


def test_a_request_that_is_late_gets_the_one_form_of_an_error() -> None:
    head, body = ConnectionErrors().request_timeout("too late", "r1").split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert "request_timeout" == json.loads(body)["error"]["code"]


def test_a_head_that_is_too_large_gets_the_one_form_of_an_error() -> None:
    head, body = ConnectionErrors().head_too_large("too large", "r1").split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert "head_too_large" == json.loads(body)["error"]["code"]


def test_a_connection_too_many_is_told_when_to_retry() -> None:
    assert (
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
        b"Retry-After: 1\r\nConnection: close\r\nX-Request-Id: r1\r\nContent-Length: 110\r\n\r\n"
        b'{"status":"error","error":{"code":"server_busy",'
        b'"message":"too many connections are open"},"request_id":"r1"}\n'
    ) == ConnectionErrors().too_many_connections("r1")


def test_a_quote_in_a_message_is_escaped() -> None:
    _, body = ConnectionErrors().bad_request('a "b"', "r1").split(b"\r\n\r\n")
    assert 'a "b"' == json.loads(body)["error"]["message"]
