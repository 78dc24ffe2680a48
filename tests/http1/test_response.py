import pytest

from http1.response import encode_head


def test_the_head_of_a_response_is_encoded() -> None:
    fields = [("Vary", "Origin"), ("Vary", "Accept")]
    expected = b"HTTP/1.1 200 OK\r\nVary: Origin\r\nVary: Accept\r\n\r\n"
    assert expected == encode_head(200, "OK", fields)


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\r\n"])
def test_a_header_field_of_a_response_is_never_two_lines(value: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        encode_head(200, "OK", [("X", value)])
