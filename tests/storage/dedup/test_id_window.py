from hypothesis import given
from hypothesis import strategies as st

from storage.dedup.id_log import IdBlock, IdLimits, id_digest
from storage.dedup.id_window import IdWindow


def digests(*numbers: int) -> list[bytes]:
    return [id_digest(str(number)) for number in numbers]


class Bench:
    """A window and a clock that a test turns."""

    def __init__(self, window_s: float = 80.0, max_ids: int = 800) -> None:
        self.now = 1000.0
        self.window = IdWindow(IdLimits(window_s, max_ids), lambda: self.now)

    def held(self, *numbers: int) -> list[int]:
        return [number for number in numbers if self.window.find(id_digest(str(number)))]


def test_only_added_ids_are_held() -> None:
    bench = Bench()
    bench.window.add(digests(1, 2), "s")
    assert ([1, 2], 2) == (bench.held(1, 2, 3), len(bench.window))


def test_an_id_is_held_for_the_whole_window_and_not_for_long_after() -> None:
    bench = Bench(window_s=80.0)
    for second in range(400):
        bench.now = 1000.0 + second
        bench.window.forget()
        expected = range(max(0, second - 80), second)
        assert list(expected) == bench.held(*expected)
        assert bench.held(*range(second - 92)) == []
        bench.window.add(digests(second), "s")


def test_an_idle_window_forgets_too() -> None:
    bench = Bench(window_s=80.0)
    bench.window.add(digests(1), "s")
    bench.now += 80.0
    bench.window.forget()
    assert bench.held(1) == [1]
    bench.now += 0.1
    bench.window.forget()
    assert len(bench.window) == 0


@given(st.lists(st.integers(1, 700), max_size=30))
def test_memory_is_bounded_and_the_last_ids_are_held(counts: list[int]) -> None:
    bench = Bench(max_ids=800)
    added: list[int] = []
    for count in counts:
        numbers = range(len(added), len(added) + count)
        bench.window.add(digests(*numbers), "s")
        added += numbers
        assert len(bench.window) <= 800
        recent = added[-700:]
        assert recent == bench.held(*recent)


def test_loaded_ids_are_as_old_as_their_segment() -> None:
    bench = Bench(window_s=80.0)
    bench.window.load(IdBlock("old", b"".join(digests(1)), bench.now - 80.1))
    bench.window.load(IdBlock("young", b"".join(digests(2, 3)), bench.now - 70.0))
    bench.window.forget()
    assert bench.held(1, 2, 3) == [2, 3]
    bench.now += 10.1
    bench.window.forget()
    assert bench.held(1, 2, 3) == []


def test_the_maximum_number_of_ids_is_held() -> None:
    bench = Bench(max_ids=800)
    for start in range(0, 800, 10):
        bench.window.add(digests(*range(start, start + 10)), "s")
    assert 800 == len(bench.window)
    bench.window.add(digests(800), "s")
    assert 701 == len(bench.window)
    assert [*range(100, 801)] == bench.held(*range(801))


def test_a_lookup_looks_into_few_generations() -> None:
    bench = Bench(window_s=80.0, max_ids=800)
    for second in range(80):
        bench.now = 1000.0 + second
        bench.window.add(digests(second), "s")
    assert [*range(1000, 1080, 10)] == [each.begun_at for each in bench.window._generations]


def test_a_generation_holds_an_eighth_of_the_ids() -> None:
    bench = Bench(max_ids=800)
    for number in range(150):
        bench.window.add(digests(number), "s")
    assert [100, 50] == [len(each.segments) for each in bench.window._generations]


def test_an_id_is_found_with_its_segment() -> None:
    bench = Bench()
    bench.window.add(digests(1), "first")
    bench.window.load(IdBlock("second", b"".join(digests(2)), bench.now))
    found = [bench.window.find(each) for each in digests(1, 2, 3)]
    assert ["first", "second", None] == found
