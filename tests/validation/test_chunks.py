from hypothesis import given
from hypothesis import strategies as st

from validation.chunks import MAX_TEXTS, chunks
from validation.turns import TURN_BYTES

SIZES = st.lists(st.integers(0, 100) | st.integers(0, 2 * TURN_BYTES), max_size=200)


@given(SIZES)
def test_chunks_have_all_texts_in_order_and_are_bounded(sizes: list[int]) -> None:
    texts = [b"x" * size for size in sizes]
    found = list(chunks(texts))
    assert texts == [text for chunk in found for text in chunk]
    for chunk in found:
        assert 1 <= len(chunk) <= MAX_TEXTS
        assert 1 == len(chunk) or sum(map(len, chunk)) <= TURN_BYTES


def test_texts_that_fit_are_together() -> None:
    assert [[b"a", b"b"]] == list(chunks([b"a", b"b"]))
