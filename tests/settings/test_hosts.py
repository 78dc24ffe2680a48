import pytest

from settings.hosts import MAX_HOST_CHARS, is_address, is_host_name, is_visible


@pytest.mark.parametrize("text", ["a", "localhost", "a-1.internal", "my_box", "A.B", "1.2", "a-"])
def test_labels_with_dots_between_them_are_a_host_name(text: str) -> None:
    assert is_host_name(text)


@pytest.mark.parametrize(
    "text", ["", "-a", "a.", ".a", "a..b", "a.-b", "a b", "bü.de", "a\n", "[a]"]
)
def test_anything_else_is_no_host_name(text: str) -> None:
    assert not is_host_name(text)


@pytest.mark.parametrize("length", [MAX_HOST_CHARS, MAX_HOST_CHARS + 1])
def test_a_host_name_has_a_longest_length(length: int) -> None:
    assert (length == MAX_HOST_CHARS) == is_host_name("a" * length)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("fe80::1%eth0", True),
        ("fe80::1%a b", False),
        ("[::1]", False),
        ("300.1.1.1", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_an_address_is_one_of_visible_characters(text: str, expected: bool) -> None:
    assert expected == is_address(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("!~", True), ("", False), ("a b", False), ("é", False)]
)
def test_visible_text_is_ascii_without_spaces(text: str, expected: bool) -> None:
    assert expected == is_visible(text)
