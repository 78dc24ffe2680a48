import socket
import threading
from collections.abc import Iterator

import pytest

from storage.stores.deadlines import Deadlines
from tests.support.waiting import WAIT_S, wait_until

SOON_S = 0.05
# A busy machine does not need so long for a few lines.
AMPLE_S = 2.0


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(WAIT_S)
    with ours, theirs:
        yield ours, theirs


def test_an_exchange_that_takes_too_long_is_cut(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    deadlines = Deadlines()
    with deadlines.exchange(SOON_S) as exchange:
        deadlines.use(pair[0])
        assert b"" == pair[0].recv(1)
    assert exchange.has_expired


def test_an_exchange_that_ends_in_time_is_not_cut(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    deadlines = Deadlines()
    with deadlines.exchange(AMPLE_S) as first:
        deadlines.use(ours)
    with deadlines.exchange(AMPLE_S) as second:
        wait_until(lambda: second.has_expired)
    theirs.send(b"x")
    assert b"x" == ours.recv(1)
    assert not first.has_expired


def test_a_connection_made_after_the_deadline_is_cut_at_once(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    deadlines = Deadlines()
    with deadlines.exchange(SOON_S) as exchange:
        wait_until(lambda: exchange.has_expired)
        deadlines.use(pair[0])
        assert b"" == pair[0].recv(1)


def test_a_short_deadline_is_met_while_a_long_one_waits() -> None:
    deadlines = Deadlines()
    with deadlines.exchange(2 * WAIT_S) as long:
        found: list[bool] = []

        def exchange_shortly() -> None:
            with deadlines.exchange(SOON_S) as short:
                wait_until(lambda: short.has_expired)
                found.append(short.has_expired)

        thread = threading.Thread(target=exchange_shortly)
        thread.start()
        thread.join()
        assert ([True], False) == (found, long.has_expired)


def test_the_watching_thread_ends_when_nothing_is_left_to_watch() -> None:
    before = set(threading.enumerate())
    deadlines = Deadlines()
    for _ in range(3):
        with deadlines.exchange(SOON_S):
            assert len(set(threading.enumerate()) - before) <= 1
    wait_until(lambda: not set(threading.enumerate()) - before)


def test_a_socket_used_outside_any_exchange_is_left_alone(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    Deadlines().use(ours)
    theirs.send(b"x")
    assert b"x" == ours.recv(1)
