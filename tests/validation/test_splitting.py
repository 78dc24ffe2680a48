"""Bodies to the texts of their events."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.validation.test_strict_json import values
from validation import splitting
from validation.splitting import (
    ArraySplitter,
    NotAnArrayError,
    has_object_lines,
    split_by_tokens,
)
from validation.strict_json import NotJsonError
from validation.turns import TURN_BYTES, at_once

SPLITTERS = {
    "struct": ArraySplitter(5),
    "list": ArraySplitter(20_000),
}


@pytest.mark.parametrize("splitter", SPLITTERS.values(), ids=SPLITTERS)
@pytest.mark.parametrize(
    ("body", "texts"),
    [
        (b"[]", []),
        (b' [ 1 , "a,]" ,\n{"b" : [2]}\t] \n', [b"1", b'"a,]"', b'{"b" : [2]}']),
        (b"\xef\xbb\xbf[1]", [b"1"]),
        (b'["\xe9",1]', [b'"\xe9"', b"1"]),
        (b"[NaN,[[],[]],{}]", [b"NaN", b"[[],[]]", b"{}"]),
        (b'[{"a":NaN},1]', [b'{"a":NaN}', b"1"]),
        (b"[{'a': 1}, {\"b\": [1,]}, 01, ]", [b"{'a': 1}", b'{"b": [1,]}', b"01", b""]),
        (b'[{"a":"\n"},{"b":1 "c":2}]', [b'{"a":"\n"}', b'{"b":1 "c":2}']),
        (b'[{"a":"\\x, ]"},"\\"]"]', [b'{"a":"\\x, ]"}', b'"\\"]"']),
        (b"[" + b"[" * 3000 + b"]" * 3000 + b",1]", [b"[" * 3000 + b"]" * 3000, b"1"]),
    ],
)
def test_an_array_is_split_at_its_own_commas(
    splitter: ArraySplitter, body: bytes, texts: list[bytes]
) -> None:
    assert texts == at_once(splitter.split(body))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON at line 1, column 1: it ends too early"),
        (b"nonsense", "not JSON at line 1, column "),
        (b"[1, 2", "not JSON at line 1, column 6: it ends too early"),
        (b"[1,\n\xc3\xa9 nan]]", "not JSON at line 2, column 1: invalid character"),
        (b'[{"a":"5" tall"},{"b":1}]', "not JSON at line 1, column 11: "),
        (b'[{"a":"x},{"b":1}]', "not JSON at line 1, column 13: "),
        (b'[{"a" 1},{"b":1}]', "not JSON at line 1, column 7: "),
        (b"[{]", "not JSON at line 1, column 3: "),
        (b"[{}}]", "not JSON at line 1, column 4: "),
        (b"[NaN] 1", "not JSON at line 1, column 2: "),
        (b'{"a":1,}', "not JSON at line 1, column "),
        (b"[" * 100_000, "nested too deeply"),
        (b"[NaN,[" + b"[]," * 100_000 + b"1]]", "not JSON at line 1, column 2: "),
    ],
)
def test_a_body_without_clear_borders_is_not_split(body: bytes, message: str) -> None:
    with pytest.raises(NotJsonError, match=f"^{re.escape(message)}"):
        at_once(ArraySplitter(5).split(body))


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b' {"a":1}', "an object"), (b'"a"', "a string"), (b"-1", "a number"), (b"null", "null")],
)
def test_a_body_that_is_no_array_is_reported_with_its_kind(body: bytes, kind: str) -> None:
    with pytest.raises(NotAnArrayError, match=f"a JSON array of events, not {kind}: send one"):
        at_once(ArraySplitter(5).split(body))


@pytest.mark.parametrize("bad", [b"1", b"NaN"])
def test_an_array_of_too_many_elements_is_not_split(bad: bytes) -> None:
    splitter = ArraySplitter(5)
    assert 5 == len(at_once(splitter.split(b"[1,1,1,1,%b]" % bad)) or [])
    assert at_once(splitter.split(b"[1,1,1,1,1,%b]" % bad)) is None
    assert at_once(splitter.split(b"[%b%b]" % (b"1," * 10_000, bad))) is None


@given(st.lists(values))
def test_both_ways_of_splitting_find_the_same_texts(elements: list[object]) -> None:
    body = json.dumps(elements).encode()
    texts = at_once(ArraySplitter(20_000).split(body))
    assert texts is not None
    assert elements == [json.loads(each) for each in texts]
    if elements:
        assert texts == at_once(split_by_tokens(body, len(elements)))


def test_the_tokens_of_a_body_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "_MAX_TOKENS", 7)
    assert [b"[]", b"[]"] == at_once(split_by_tokens(b"[[],[]]", 5))
    assert at_once(split_by_tokens(b"[[],[],1]", 5)) is None


def test_a_long_array_is_split_in_turns() -> None:
    body = b"[NaN,[%b1]]" % (b'"a",' * TURN_BYTES)
    turns = split_by_tokens(body, 5)
    assert len(body) // TURN_BYTES - 1 <= sum(1 for _ in turns)
    assert 2 == len(at_once(split_by_tokens(body, 5)) or [])


@pytest.mark.parametrize(
    ("body", "is_lines"),
    [
        (b"{}\n{}", True),
        (b'\xef\xbb\xbf {"a":"\xe9"}\r\nnonsense', True),
        (b"{}", False),
        (b"{}\n \r\n", False),
        (b'{\n"a":1}', False),
        (b"{nope}\n{}", False),
        (b"[]\n{}", False),
        (b"1\n2", False),
    ],
)
def test_lines_are_recognized_by_the_first_one(body: bytes, is_lines: bool) -> None:
    assert is_lines == has_object_lines(body)
