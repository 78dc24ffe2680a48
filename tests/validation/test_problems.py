import pytest

from validation.problems import Problem, excerpt, kind_of


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("properties.items[3].price", "properties.items[3].price is required"),
        ("", "the event is required"),
    ],
)
def test_a_problem_reads_as_a_sentence_about_its_path(path: str, text: str) -> None:
    assert text == str(Problem(path, "is required"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("short", "short"),
        ("Größe 😀", "Größe 😀"),
        ("a" * 100, "a" * 100),
        ("a" * 101, "a" * 100 + "..."),
        ("half \ud800", "half \\ud800"),
    ],
)
def test_an_excerpt_is_short_and_valid_unicode(text: str, expected: str) -> None:
    assert expected == excerpt(text)
    assert excerpt(text).encode("utf-8")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "null"),
        ({}, "an object"),
        ([], "an array"),
        ("", "a string"),
        (True, "a boolean"),
        (1, "a number"),
        (1.5, "a number"),
    ],
)
def test_a_kind_is_the_name_that_json_has_for_it(value: object, kind: str) -> None:
    assert kind == kind_of(value)
