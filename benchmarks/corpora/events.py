"""The events of each sender, with placeholders for ids and times.

A function gets a source of chance and a count, and returns the events of one body: those of
beacon.js come from one visitor, those of a backend from many.
"""

from random import Random
from typing import Any

from benchmarks.corpora.placeholders import EVENT_ID, beacon_ids, local, sdk_ids, utc, uuids

Event = dict[str, Any]

_SKEW_MS = -90_000
_PATHS = (
    "/",
    "/pricing",
    "/docs/getting-started",
    "/blog/2026/11/release-notes",
    "/cart",
    "/login",
)
_TITLES = ("Home", "Plans and prices", "Getting started", "Release notes", "Your cart", "Log in")
_REFERRERS = ("", "https://www.example.com/", "https://search.example/?q=event+collector")
_ACTIONS = ("signup", "add_to_cart", "video_play", "search", "form_submit", "purchase")
_SYSTEMS = (("Windows", "10"), ("macOS", "15.1"), ("Android", "15"), ("iOS", "18.1"))
_BROWSERS = ("Chrome", "Safari", "Firefox", "Edge")
_CHANNELS = ("organic", "email", "paid", "referral")
_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/142.0.0.0 Safari/537.36"
)
_TEXTS = (
    "Größe auswählen",
    "Prix réduit : 12 € 🎉",
    "今すぐ購入する",
    "Купить сейчас",
    "اشتر الآن",
    "Zażółć gęślą jaźń",
)
_CITIES = ("São Paulo", "Zürich", "東京", "Łódź", "Αθήνα", "Kraków")


def ideal(_: Random, count: int) -> list[Event]:
    """Return copies of the event that `event.lua` and `batch.lua` send."""
    event = {
        "event_type": "page_view",
        "user_id": "u-1742",
        "session_id": "k3j9x2lq8mz1a0",
        "timestamp": utc(0),
        "properties": {
            "path": "/pricing",
            "referrer": "https://example.com/",
            "width": 1440,
            "experiment": "b",
            "first_visit": True,
        },
    }
    return [event] * count


def beacon(chance: Random, count: int) -> list[Event]:
    """Return events of web/beacon.js in a page without `data-key`."""
    return _visit(chance, count, {}, 0)


def beacon_with_key(chance: Random, count: int) -> list[Event]:
    """Return events of web/beacon.js in a page with `data-key="shop"`."""
    return _visit(chance, count, {"key": "shop"}, 0)


def skewed(chance: Random, count: int) -> list[Event]:
    """Return events of web/beacon.js on a device whose clock is 90 s slow."""
    return _visit(chance, count, {}, _SKEW_MS)


def _visit(chance: Random, count: int, own: Event, skew_ms: int) -> list[Event]:
    session = beacon_ids(chance, 1)[0].decode()
    user = chance.choice(({}, {"user_id": f"u-{chance.randrange(10**6)}"}))
    referrer = chance.choice(_REFERRERS)
    events = []
    for _ in range(count):
        is_view = chance.random() < 0.6
        page = _page(chance)
        shown = {"url": page["url"], "title": page["title"], "referrer": referrer}
        events.append(
            {
                "sent_at": utc(skew_ms),
                "timestamp": utc(skew_ms - chance.randrange(15_000)),
                "event_id": EVENT_ID,
                "event_type": "page_view" if is_view else chance.choice(_ACTIONS),
                "session_id": session,
                **user,
                **own,
                "properties": shown if is_view else _details(chance),
            }
        )
        referrer = page["url"] if is_view else referrer
    return events


def _page(chance: Random) -> Event:
    at = chance.randrange(len(_PATHS))
    query = chance.choice(("", f"?utm_source=newsletter&utm_campaign=c{chance.randrange(100)}"))
    return {
        "path": _PATHS[at],
        "url": f"https://shop.example.com{_PATHS[at]}{query}",
        "title": f"{_TITLES[at]} · Shop",
    }


def _details(chance: Random) -> Event:
    return {
        "product": f"sku-{chance.randrange(10_000)}",
        "price": chance.randrange(1, 100_000) / 100,
        "quantity": chance.randrange(1, 6),
        "in_stock": chance.random() < 0.9,
    }


def sdk(chance: Random, count: int) -> list[Event]:
    """Return events of a client library with fields of its own and absent optional fields."""
    return [_sdk_event(chance) for _ in range(count)]


def _sdk_event(chance: Random) -> Event:
    system, version = chance.choice(_SYSTEMS)
    user = chance.randrange(10**7)
    return {
        "event_id": EVENT_ID,
        "project_id": "p-5b2f90",
        "event_type": chance.choice(("page_view", *_ACTIONS)),
        "user_id": chance.choice((user, user, user, str(user), "", None)),
        "session_id": chance.choice((sdk_ids(chance, 1)[0].decode(), "", None)),
        "timestamp": utc(-chance.randrange(10_000)),
        "properties": chance.choice((_page, _details, lambda _: None))(chance),
        "browser": chance.choice(_BROWSERS),
        "os": f"{system} {version}",
        "device": chance.choice(("desktop", "mobile", "tablet")),
        "channel": chance.choice(_CHANNELS),
        "email": chance.choice((f"visitor{user}@example.com", "", None)),
        "user_agent": _AGENT,
    }


def _backend_event(chance: Random, properties: Event) -> Event:
    return {
        "event_id": EVENT_ID,
        "event_type": chance.choice(_ACTIONS),
        "user_id": f"u-{chance.randrange(10**6)}",
        "timestamp": utc(-chance.randrange(10_000)),
        "properties": properties,
    }


def _order(chance: Random) -> Event:
    items = [_details(chance) for _ in range(chance.randrange(1, 3))]
    return {"order": chance.randrange(10**9), "items": items, "coupon": None}


def backend(chance: Random, count: int) -> list[Event]:
    """Return events of a backend: orders, with objects in an array."""
    return [_backend_event(chance, _order(chance)) for _ in range(count)]


def local_times(chance: Random, count: int) -> list[Event]:
    """Return events of a backend that sends local times, with microseconds and an offset."""
    times = [{"timestamp": local(-chance.randrange(10_000))} for _ in range(count)]
    return [_backend_event(chance, _details(chance)) | each for each in times]


def international(chance: Random, count: int) -> list[Event]:
    """Return events whose properties have text in several scripts."""
    return [
        _backend_event(
            chance,
            {
                "label": chance.choice(_TEXTS),
                "city": chance.choice(_CITIES),
                "title": f"{chance.choice(_TEXTS)} · Shop",
                "position": chance.randrange(50),
            },
        )
        for _ in range(count)
    ]


def shipped_lines(chance: Random, count: int) -> list[Event]:
    """Return events of services, as a log shipper collects them."""
    return [
        {
            "timestamp": utc(-chance.randrange(60_000)),
            "event_id": EVENT_ID,
            "event_type": chance.choice(("api_call", "job_finished", "mail_sent")),
            "service": chance.choice(("billing", "search", "accounts")),
            "host": f"worker-{chance.randrange(40)}",
            "user_id": f"u-{chance.randrange(10**6)}",
            "properties": {
                "route": chance.choice(_PATHS),
                "status": chance.choice((200, 200, 200, 404, 500)),
                "duration_ms": chance.randrange(1, 100_000) / 100,
            },
        }
        for _ in range(count)
    ]


def nested(chance: Random, count: int) -> list[Event]:
    """Return events in the manner of analytics.js, each with a context of 2 KB."""
    return [_nested_event(chance) for _ in range(count)]


def _nested_event(chance: Random) -> Event:
    user = chance.randrange(10**7)
    return {
        "timestamp": utc(-chance.randrange(5_000)),
        "integrations": {"All": True, "Warehouse": chance.random() < 0.5},
        "anonymous_id": uuids(chance, 1)[0].decode(),
        "event_type": chance.choice(_ACTIONS),
        "properties": _order(chance),
        "context": _context(chance, user),
        "event_id": EVENT_ID,
        "user_id": str(user),
        "sent_at": utc(0),
    }


def _context(chance: Random, user: int) -> Event:
    system, version = chance.choice(_SYSTEMS)
    page = _page(chance)
    return {
        "page": {**page, "referrer": chance.choice(_REFERRERS), "search": ""},
        "userAgent": _AGENT,
        "userAgentData": {
            "brands": [{"brand": name, "version": "142"} for name in _BROWSERS],
            "mobile": False,
            "platform": system,
        },
        "locale": chance.choice(("en-US", "de-DE", "pt-BR", "ja-JP")),
        "timezone": chance.choice(("Europe/Berlin", "America/Sao_Paulo", "Asia/Tokyo")),
        "library": {"name": "analytics.js", "version": "npm:next-1.81.1"},
        "campaign": {"source": "newsletter", "medium": "email", "name": _CHANNELS[user % 4]},
        "screen": {"width": 1440, "height": 900, "density": 2, "innerWidth": 1405},
        "os": {"name": system, "version": version},
        "network": {"bluetooth": False, "carrier": "Example", "cellular": True, "wifi": False},
        "device": {
            "id": uuids(chance, 1)[0].decode(),
            "manufacturer": "Example",
            "model": f"X{user % 30}",
            "type": "browser",
        },
        "traits": _traits(chance, user),
        "consent": {"categoryPreferences": {"analytics": True, "advertising": False}},
        "session": {
            "id": sdk_ids(chance, 1)[0].decode(),
            "number": chance.randrange(1, 90),
            "landing": chance.choice(_PATHS),
            "keywords": chance.sample(_ACTIONS, 3),
            "flags": {f"flag_{at}": chance.random() < 0.5 for at in range(5)},
        },
        "experiments": [
            {"key": f"experiment-{at}", "variant": chance.choice("abc"), "at": utc(-60_000 * at)}
            for at in range(1, 7)
        ],
    }


def _traits(chance: Random, user: int) -> Event:
    return {
        "email": f"visitor{user}@example.com",
        "name": f"Visitor {user}",
        "createdAt": utc(-86_400_000 * chance.randrange(1, 900)),
        "plan": chance.choice(("free", "pro", "team")),
        "logins": chance.randrange(1000),
        "company": {"id": user % 999, "name": f"Company {user % 999}", "employees": user % 5000},
        "address": {"city": chance.choice(_CITIES), "postalCode": f"{user % 99999:05}"},
        "groups": [f"group-{chance.randrange(100)}" for _ in range(4)],
        "score": chance.random(),
    }
