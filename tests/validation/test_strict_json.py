import json
import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.validation.readers import problems_of
from validation.problems import NO_PROBLEMS
from validation.strict_json import NotJsonError, brackets, parse

integers = st.integers(min_value=-(2**63), max_value=2**64 - 1)
scalars = st.none() | st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_a_value_as_json_stringify_writes_it_is_read_unmodified(value: Any) -> None:
    parsed = parse(orjson.dumps(value))
    assert value == parsed.value
    assert NO_PROBLEMS == problems_of(parsed.value)


@given(values, st.sampled_from([None, 2]), st.booleans())
def test_notation_makes_no_difference(value: Any, indent: int | None, escaped: bool) -> None:
    text = json.dumps(value, ensure_ascii=escaped, indent=indent).encode()
    parsed = parse(text)
    assert value == parsed.value
    assert NO_PROBLEMS == problems_of(parsed.value)


@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_a_text_that_is_not_json_is_never_accepted(text: bytes) -> None:
    try:
        parse(text)
    except NotJsonError:
        return
    json.loads(text.decode("utf-8-sig"), parse_constant=pytest.fail)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not JSON at line 1, column 1: expecting value"),
        (b"{", "not JSON at line 1, column 2: "),
        (b'{"a": 1,\n "b" 2}', "not JSON at line 2, column 6: "),
        (b"[1,]", "not JSON at line 1, column "),
        (b"{'a': 1}", "not JSON at line 1, column 2: "),
        (b"{} {}", "not JSON at line 1, column 4: extra data"),
        (b"// no\n1", "not JSON at line 1, column 1: "),
        (b"01", "not JSON at line 1, column 2: "),
        (b"+1", "not JSON at line 1, column 1: "),
        (b".5", "not JSON at line 1, column 1: "),
        (b'"\n"', "not JSON at line 1, column 2: "),
        (b'"\\x"', "not JSON at line 1, column 2: "),
        (b"True", "not JSON at line 1, column 1: "),
        (b"NaN", "not JSON at line 1, column 1: NaN and Infinity are not JSON values"),
        (b'["NaN \\" Infinity",\n -Infinity]', "not JSON at line 2, column 2: NaN and"),
        (b"\xff", "not UTF-8 at byte 0"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8 at byte 7"),
        ('"text"'.encode("utf-16"), "not UTF-8 at byte 0"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
    ],
)
def test_a_text_that_is_not_json_is_reported_with_its_position(text: bytes, message: str) -> None:
    with pytest.raises(NotJsonError) as refused:
        parse(text)
    assert str(refused.value).startswith(message)


def test_a_byte_order_mark_is_skipped() -> None:
    assert {"a": 1} == parse(b'\xef\xbb\xbf{"a": 1}').value


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        (b'{"a": 1, "a": 1}', "", 'has the key "a" twice'),
        (b'{"a": 1, "\\u0061": 1}', "", 'has the key "a" twice'),
        (b'{"a":"\\u0022\\u0022","a":1}', "", 'has the key "a" twice'),
        (b'{"a": [{"b": 0, "b": 0}]}', "a[0]", 'has the key "b" twice'),
        (b'{"a": 18446744073709551616}', "a", "is an integer beyond 64 bits"),
        (b'{"a": -9223372036854775809}', "a", "is an integer beyond 64 bits"),
        (b'{"a": {"b c": ' + b"9" * 5000 + b"}}", "a.b c", "is an integer beyond 64 bits"),
        (b'{"a": 1e999}', "a", "is a number too large for a double"),
        (b'{"a": -1e999}', "a", "is a number too large for a double"),
        (b'{"a": "\\ud800"}', "a", "contains an unpaired surrogate"),
        (b'{"a": "\\udc00x"}', "a", "contains an unpaired surrogate"),
        (b'{"\\ud800": 1}', "\\ud800", "is a key that contains an unpaired surrogate"),
        (b"[" * 65 + b"]" * 65, "[0]" * 64, "is nested deeper than 64 levels"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, ".".join("a" * 64), "is nested deeper"),
    ],
)
def test_an_ambiguous_text_has_a_problem(text: bytes, path: str, message: str) -> None:
    (problem,) = problems_of(parse(text).value).first
    assert path == problem.path
    assert problem.message.startswith(message)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"18446744073709551615", 2**64 - 1),
        (b"-9223372036854775808", -(2**63)),
        (b"1.7976931348623157e308", 1.7976931348623157e308),
        (b"1e-999", 0.0),
        (b'"\\u0000"', "\0"),
        (b'"\\ud83d\\ude00"', "\N{GRINNING FACE}"),
        (b'"\xf0\x9f\x98\x80"', "\N{GRINNING FACE}"),
        (b'"\\u0022"', '"'),
        (b'{"a":"\\"","b":"\\""}', {"a": '"', "b": '"'}),
        (b'{"": {"": 1}}', {"": {"": 1}}),
        (b'"12345678901234567890123"', "12345678901234567890123"),
        (b"0.12345678901234567890123", 0.12345678901234568),
        (b" \t\r\n[ ] \n", []),
    ],
)
def test_an_unambiguous_text_is_accepted(text: bytes, value: object) -> None:
    parsed = parse(text)
    assert value == parsed.value
    assert NO_PROBLEMS == problems_of(parsed.value)


def test_sixty_four_levels_are_accepted() -> None:
    assert NO_PROBLEMS == problems_of(parse(b"[" * 64 + b"]" * 64).value)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_compiled_code_counts_levels_exactly(opening: bytes, closing: bytes) -> None:
    for levels, is_exact in ((64, True), (65, False)):
        deep = opening * (levels - 1) + b"[]" + closing * (levels - 1)
        parsed = parse(deep)
        assert parsed.is_exact == (brackets(deep) <= 64 or is_exact)
        assert is_exact == (NO_PROBLEMS == problems_of(parsed.value))
    flat = parse(b"[%b[]]" % (b"[]," * 100))
    assert flat.is_exact


def test_the_sign_of_zero_is_kept() -> None:
    value = parse(b"-0.0").value
    assert isinstance(value, float)
    assert -1.0 == math.copysign(1.0, value)


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "\\u0061", '\\"', "\\u0022"]), texts), max_size=5)
)
def test_no_key_is_lost_in_silence(pairs: list[tuple[str, str]]) -> None:
    members = [f'"{key}":{orjson.dumps(text).decode()}' for key, text in pairs]
    parsed = parse(("{" + ",".join(members) + "}").encode())
    keys = [json.loads(f'"{key}"') for key, _ in pairs]
    if len(set(keys)) == len(keys):
        assert dict(zip(keys, [text for _, text in pairs], strict=True)) == parsed.value
    else:
        assert not parsed.is_exact
        assert problems_of(parsed.value).first


@given(st.integers(), st.sampled_from(["{}", "[{}]", '{{"a": {}}}', '{{"a":{},"b":"x"}}']))
def test_an_integer_is_exact_or_a_problem(number: int, shape: str) -> None:
    text = shape.format(number)
    parsed = parse(text.encode())
    if -(2**63) <= number < 2**64:
        assert json.loads(text) == parsed.value
        assert NO_PROBLEMS == problems_of(parsed.value)
    else:
        assert not parsed.is_exact
        assert 1 == len(problems_of(parsed.value).first)
