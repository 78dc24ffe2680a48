from hypothesis import given
from hypothesis import strategies as st

from storage.dedup.id_log import IdBlock, IdLimits
from storage.dedup.id_window import IdWindow
from storage.dedup.identity import Identities, conflict_key, pack


def identity(number: int) -> tuple[int, int]:
    """Key and fingerprint of an event."""
    return number, 1_000_003 * number


def identities(*numbers: int) -> Identities:
    return Identities(numbers, [1_000_003 * number for number in numbers])


class Bench:
    """A window and a clock that a test turns."""

    def __init__(self, window_s: float = 80.0, max_ids: int = 800) -> None:
        self.now = 1000.0
        self.window = IdWindow(IdLimits(window_s, max_ids), lambda: self.now)

    def held(self, *numbers: int) -> list[int]:
        return [number for number in numbers if self.window.find(*identity(number))]


def test_only_added_ids_are_held() -> None:
    bench = Bench()
    bench.window.add(identities(1, 2), "s")
    assert ([1, 2], 2) == (bench.held(1, 2, 3), len(bench.window))


def test_an_id_is_held_for_the_whole_window_and_not_for_long_after() -> None:
    bench = Bench(window_s=80.0)
    for second in range(400):
        bench.now = 1000.0 + second
        bench.window.forget()
        expected = range(max(0, second - 80), second)
        assert list(expected) == bench.held(*expected)
        assert bench.held(*range(second - 92)) == []
        bench.window.add(identities(second), "s")


def test_an_idle_window_forgets_too() -> None:
    bench = Bench(window_s=80.0)
    bench.window.add(identities(1), "s")
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
        bench.window.add(identities(*numbers), "s")
        added += numbers
        assert len(bench.window) <= 800
        recent = added[-700:]
        assert recent == bench.held(*recent)


def test_loaded_ids_are_as_old_as_their_segment() -> None:
    bench = Bench(window_s=80.0)
    bench.window.load(IdBlock("old", pack(identities(1)), bench.now - 80.1))
    bench.window.load(IdBlock("young", pack(identities(2, 3)), bench.now - 70.0))
    bench.window.forget()
    assert bench.held(1, 2, 3) == [2, 3]
    bench.now += 10.1
    bench.window.forget()
    assert bench.held(1, 2, 3) == []


def test_the_maximum_number_of_ids_is_held() -> None:
    bench = Bench(max_ids=800)
    for start in range(0, 800, 10):
        bench.window.add(identities(*range(start, start + 10)), "s")
    assert 800 == len(bench.window)
    bench.window.add(identities(800), "s")
    assert 701 == len(bench.window)
    assert [*range(100, 801)] == bench.held(*range(801))


def test_a_lookup_looks_into_few_generations() -> None:
    bench = Bench(window_s=80.0, max_ids=800)
    for second in range(80):
        bench.now = 1000.0 + second
        bench.window.add(identities(second), "s")
    assert [*range(1000, 1080, 10)] == [each.begun_at for each in bench.window._generations]


def test_a_generation_holds_an_eighth_of_the_ids() -> None:
    bench = Bench(max_ids=800)
    for number in range(150):
        bench.window.add(identities(number), "s")
    assert [100, 50] == [len(each.fingerprints) for each in bench.window._generations]


def test_an_id_is_found_with_its_segment() -> None:
    bench = Bench()
    bench.window.add(identities(1), "first")
    bench.window.load(IdBlock("second", pack(identities(2)), bench.now))
    found = [bench.window.find(*identity(each)) for each in (1, 2, 3)]
    assert ["first", "second", None] == found


def test_only_the_same_fingerprint_is_the_same_event() -> None:
    bench = Bench()
    bench.window.add(identities(1), "s")
    key, fingerprint = identity(1)
    assert bench.window.find(key, fingerprint + 1) is None
    assert (True, False) == (bench.window.has_key(key), bench.window.has_key(key + 1))


def test_one_id_may_have_another_event_in_each_generation() -> None:
    bench = Bench(window_s=80.0)
    bench.window.add(Identities([1], [7]), "old")
    bench.now += 20.0
    bench.window.add(Identities([1], [8]), "new")
    assert ["old", "new", None] == [bench.window.find(1, each) for each in (7, 8, 9)]


def test_a_new_event_is_unknown_and_one_whose_id_is_held_is_not() -> None:
    bench = Bench()
    bench.window.add(identities(1, 2), "s")
    assert not bench.window.knows_any(identities(3, 4))
    assert bench.window.knows_any(identities(3, 2))
    assert bench.window.knows_any(Identities([2], [5]))


def test_a_conflict_is_known_when_the_event_whose_id_it_has_is_forgotten() -> None:
    bench = Bench(window_s=80.0)
    key, fingerprint = identity(1)
    bench.window.add(Identities([key], [fingerprint + 1]), "theirs")
    bench.now += 50.0
    bench.window.add(Identities([conflict_key(key, fingerprint)], [fingerprint]), "ours")
    bench.now += 50.0
    bench.window.forget()
    assert not bench.window.has_key(key)
    assert bench.window.knows_any(identities(2, 1))
    assert not bench.window.knows_any(identities(2, 3))


def test_an_event_takes_16_bytes_and_a_dictionary_entry() -> None:
    bench = Bench(max_ids=80_000)
    bench.window.add(identities(*range(10_000)), "s")
    (generation,) = bench.window._generations
    assert 8 * 10_000 == len(generation.fingerprints) * generation.fingerprints.itemsize
    assert 10_000 == len(generation.places)
