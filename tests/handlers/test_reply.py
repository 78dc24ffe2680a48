from handlers.errors import ApiError
from handlers.reply import error_reply, json_body


def test_an_error_has_its_code_in_the_body_and_in_the_log() -> None:
    reply = error_reply(ApiError("not_found", "nothing here"), "id")
    assert {"code": "not_found", "message": "nothing here"} == reply.body["error"]
    assert {"code": "not_found", "message": "nothing here"} == reply.log_fields
    assert (404, ()) == (reply.status, reply.headers)


def test_an_error_may_say_when_to_retry() -> None:
    reply = error_reply(ApiError("server_busy", "busy", retry_after_s=7), "id")
    assert (("Retry-After", "7"),) == reply.headers


def test_a_body_is_one_line_of_json() -> None:
    assert b'{"a":"\xc3\xbc"}\n' == json_body({"a": "ü"})
