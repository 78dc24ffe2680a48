import dataclasses

import pytest
from voluptuous import Invalid

from settings.variables import VARIABLES, Variable, quoted, validator

DEFAULTS = [each for each in VARIABLES if each.default]


def test_a_variable_is_named_in_capitals_and_its_field_in_small_letters() -> None:
    assert [each.name.upper() for each in VARIABLES] == [each.name for each in VARIABLES]
    assert [each.field.lower() for each in VARIABLES] == [each.field for each in VARIABLES]


def test_names_and_fields_are_unique() -> None:
    assert len(VARIABLES) == len({each.name for each in VARIABLES})
    assert len(VARIABLES) == len({each.field for each in VARIABLES})


@pytest.mark.parametrize("variable", DEFAULTS, ids=lambda each: each.name)
def test_the_text_of_a_default_parses_to_the_default(variable: Variable) -> None:
    value = variable.parse(variable.default or "")
    assert value == variable.parse(variable.to_text(value))


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda each: each.name)
def test_a_summary_is_a_phrase_on_one_line(variable: Variable) -> None:
    assert variable.summary.isprintable()
    assert not variable.summary.endswith(".")
    assert "|" not in variable.summary


def test_a_variable_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        VARIABLES[0].name = "OTHER"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", '"plain"'),
        ("a\nb\x1b", '"a\\nb\\x1b"'),
        ("x" * 101, f'"{"x" * 100}..."'),
        ("https://key:s3cret@host/x", '"https://***@host/x"'),
        ("https://host/x?X-Amz-Security-Token=s3cret", '"https://host/x?X-Amz-Security-Token=***"'),
        ("key:s3@cret@host", '"***@host"'),
    ],
)
def test_a_quoted_value_is_one_short_line_without_a_password(text: str, expected: str) -> None:
    assert expected == quoted(text)


def refuse(text: str) -> object:
    raise ValueError("must be something else")


def test_a_validator_returns_the_value_or_quotes_the_text() -> None:
    assert 3 == validator(len)("abc")
    with pytest.raises(Invalid, match=r'^must be something else, not "\*\*\*@a"$'):
        validator(refuse)("secret@a")
