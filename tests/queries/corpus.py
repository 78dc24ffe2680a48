"""Events to query: ordinary visits, everything odd that validation accepts, and duplicates.

What the queries should find is computed here from the events as they were sent, in Python.
"""

import random
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

_FIRST_DAY = datetime(2026, 10, 1, tzinfo=UTC)
_DAYS = 20
_PAGES = ("/", "/pricing", "/docs/start", "/blog/a%20b", "/größe")
_SESSION_GAP = timedelta(minutes=30)

Event = dict[str, Any]


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


# Each would break a reader that infers its columns, or that joins names without regard to case.
ODD_EVENTS: list[Event] = [
    {"properties": {"userId": 1, "userid": 2, "USERID": {"Id": 1, "id": 2}, "": 0}},
    {"properties": {"nul": "a\u0000b", "line": "a\nb\u2028c", "emoji": "😀", "quote": '"\\'}},
    {"properties": {"largest": 2**64 - 1, "smallest": -(2**63), "double": 1.7976931348623157e308}},
    {"properties": {"deep": _nested(60)}},
    {"properties": {f"key_{number}": number for number in range(2000)}},
    {"properties": {"long": "x" * 200_000}},
    *({"properties": {"same_name": value}} for value in ("1", 1, 1.5, True, None, [1], {"a": 1})),
    {"properties": {}},
    {"url": {"not": "a string"}, "title": 17, "screen": [1, "a", None]},
    {"year": 1999, "month": "no", "day": {"a": 1}},
    {'quo"te': 1, "dot.ted": 2, "with space": 3, "back\\slash": 4, "new\nline": 5, "nul\u0000": 6},
    {"__proto__": {}, "$ref": 1, "select": 2, "events": 3},
    {f"field_{number}": number for number in range(600)},
    {"user_id": "nul\u0000user", "session_id": "日本"},
    {"user_id": 42, "own": None, "empty": ""},
    {"event_id": "_underscore"},
    {"event_id": "a.b-c_d"},
    {"timestamp": "2000-01-01T00:00:00Z"},
    {"timestamp": "2026-10-05T23:59:59.999-11:00"},
    {"event_type": "2026-10-05T10:00:00Z"},
    {"event_type": "'; DROP TABLE events --"},
]


# Another event with the id of one of the odd ones.
CONFLICT: Event = {
    "event_id": "odd-0",
    "event_type": "odd",
    "timestamp": "2026-10-05T12:00:00Z",
    "properties": {"is_another": True},
}


def events() -> list[Event]:
    """Return every event once, with its own event_id and timestamp."""
    return [*_visits(random.Random(20261005)), *_odd()]


def _odd() -> list[Event]:
    return [
        {
            "event_id": f"odd-{number}",
            "event_type": "odd",
            "timestamp": "2026-10-05T12:00:00Z",
            **event,
        }
        for number, event in enumerate(ODD_EVENTS)
    ]


def _visits(chance: random.Random) -> list[Event]:
    found: list[Event] = []
    for number in range(40):
        at = _FIRST_DAY + timedelta(seconds=chance.randrange(86_400 * _DAYS))
        for step in range(chance.randrange(1, 12)):
            event_type = chance.choice(["page_view"] * 5 + ["signup", "purchase"])
            found.append(_visit(f"visit-{number}-{step}", f"u-{number}", event_type, at, chance))
            at += timedelta(minutes=chance.choice([0, 1, 29, 30, 31, 600]), seconds=1)
    return found


def _visit(
    event_id: str, user_id: str, event_type: str, at: datetime, chance: random.Random
) -> Event:
    page = chance.choice(_PAGES)
    url = f"https://shop.example{page}{chance.choice(['', '?utm=1', '#top'])}"
    return {
        "event_id": event_id,
        "event_type": event_type,
        "user_id": user_id,
        "timestamp": at.isoformat(),
        "properties": {"url": url, "title": f"Page {page}", "userId": 1, "userid": 2},
    }


@dataclass(frozen=True)
class Answers:
    """The results of the five questions, as rows."""

    page_views: list[tuple[date, int]]
    top_pages: list[tuple[str, int]]
    users: list[tuple[date, int]]
    funnel: list[tuple[int, int, int]]
    sessions: list[tuple[str, int, datetime, int]]

    @property
    def in_order(self) -> list[list[Any]]:
        """The results in the order of the questions."""
        return [self.page_views, self.top_pages, self.users, self.funnel, self.sessions]


def answers(sent: list[Event]) -> Answers:
    """Compute the results from the events as sent."""
    views = [each for each in sent if each["event_type"] == "page_view"]
    days = Counter(_time(each).date() for each in views)
    pages = Counter(_page(each) for each in views)
    return Answers(
        page_views=sorted(days.items()),
        top_pages=sorted(pages.items(), key=lambda each: (-each[1], each[0])),
        users=_users(sent),
        funnel=[_funnel(_times_by_user(sent))],
        sessions=_sessions(_times_by_user(sent)),
    )


def _time(event: Event) -> datetime:
    return datetime.fromisoformat(event["timestamp"]).astimezone(UTC)


def _page(event: Event) -> str:
    url: str = event["properties"]["url"]
    return url.removeprefix("https://shop.example").partition("?")[0].partition("#")[0]


def _users(sent: list[Event]) -> list[tuple[date, int]]:
    weeks: dict[date, set[str]] = {}
    for each in sent:
        day = _time(each).date()
        users = weeks.setdefault(day - timedelta(days=day.weekday()), set())
        if "user_id" in each:
            users.add(str(each["user_id"]))
    return [(week, len(users)) for week, users in sorted(weeks.items())]


def _times_by_user(sent: list[Event]) -> dict[str, list[tuple[datetime, str]]]:
    found: dict[str, list[tuple[datetime, str]]] = {}
    for each in sent:
        if "user_id" in each:
            found.setdefault(str(each["user_id"]), []).append((_time(each), each["event_type"]))
    return {user: sorted(times) for user, times in found.items()}


def _funnel(users: dict[str, list[tuple[datetime, str]]]) -> tuple[int, int, int]:
    viewed = signed_up = bought = 0
    for times in users.values():
        first = {event_type: at for at, event_type in reversed(times)}
        view, signup, purchase = (first.get(each) for each in ("page_view", "signup", "purchase"))
        viewed += view is not None
        if view and signup and signup >= view:
            signed_up += 1
            bought += purchase is not None and purchase >= signup
    return viewed, signed_up, bought


def _sessions(users: dict[str, list[tuple[datetime, str]]]) -> list[tuple[str, int, datetime, int]]:
    found: list[tuple[str, int, datetime, int]] = []
    for user, times in sorted(users.items()):
        number, begun_at, count, last = 0, times[0][0], 0, None
        for at, _ in times:
            if last is None or at > last + _SESSION_GAP:
                if count:
                    found.append((user, number, begun_at, count))
                number, begun_at, count = number + 1, at, 0
            count, last = count + 1, at
        found.append((user, number, begun_at, count))
    return found
