import pytest

from validation.exactness import Exact, ExactParser
from validation.strict_json import MAX_DEPTH


def nested(levels: int, padding: int = 0) -> bytes:
    """Return an object of so many levels, itself included, and a text of so many bytes in it."""
    inner = b"[" * (levels - 1) + b"]" * (levels - 1)
    return b'{"a":%b,"b":"%b"}' % (inner, b"x" * padding)


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1}',
        b'{"a":[1.5,"\xc3\xa9",true,null]}',
        b"[1e-7,1e+20]",
        b"[18446744073709551615,-9223372036854775808]",
        b'["e+","1e+"]',
    ],
)
def test_a_text_as_it_will_be_stored_is_parsed(text: bytes) -> None:
    exact = ExactParser().parse(text)
    assert exact is not None
    assert text == exact.text


@pytest.mark.parametrize(
    ("text", "again"),
    [
        (b'{ "a" : 1e2 }', b'{"a":100.0}'),
        (b'["\\u00e9\\/", 1.50]', b'["\xc3\xa9/",1.5]'),
        (b'["apple+pie" ]', b'["apple+pie"]'),
    ],
)
def test_a_text_in_which_nothing_is_lost_is_written_again(text: bytes, again: bytes) -> None:
    exact = ExactParser().parse(text)
    assert exact is not None
    assert again == exact.text


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"\\u0061":2}',
        b'{"a":"\\u0022\\u0022","b":1,"b":1}',
        b"[18446744073709551616]",
        b"[-9223372036854775809]",
        b"[1e400]",
        b"[NaN]",
        b'["\\ud800"]',
        b'["\xed\xa0\x80"]',
        b'["\xff"]',
        b"{",
        b"",
    ],
)
def test_a_text_in_doubt_is_not_parsed(text: bytes) -> None:
    assert ExactParser().parse(text) is None


# Short and long texts are measured in different ways.
@pytest.mark.parametrize("padding", [0, 10_000])
@pytest.mark.parametrize("form", [b"%b", b"[%b]", b'[{"a":1},%b]'])
def test_an_event_may_have_a_number_of_levels_alone_or_in_an_array(
    form: bytes, padding: int
) -> None:
    parser = ExactParser()
    text = form % nested(MAX_DEPTH, padding)
    for _ in range(2):
        assert text == (parser.parse(text) or Exact(None, b"")).text
        assert parser.parse(form % nested(MAX_DEPTH + 1, padding)) is None
