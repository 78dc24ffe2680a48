import base64
import gzip
import hashlib
import re

import pytest

from handlers.assets import Asset, WebFiles, accepts_gzip
from tests.handlers.server import Fetch, Site, make_site
from tests.support.server_process import ROOT

DOCS = (ROOT / "docs" / "beacons.md").read_text(encoding="utf-8")
WEB = WebFiles.read(ROOT / "web")
HASHED = f"/beacon.{WEB.beacon.hash}.js"


@pytest.fixture
def site() -> Site:
    return make_site(origins=["https://shop.example.com"], aliases=["/a", "/deep/er"])


async def test_the_script_has_at_most_2700_bytes_with_gzip(fetch: Fetch) -> None:
    response = await fetch(
        "/beacon.js", "GET", headers={"Accept-Encoding": "gzip"}, decompress_response=False
    )
    assert "gzip" == response.headers["Content-Encoding"]
    assert len(response.body) <= 2700
    assert f"{len(response.body) / 1000:.1f} kB with gzip" in DOCS
    assert WEB.beacon.body == gzip.decompress(response.body)


def test_the_served_script_has_no_local_name_of_the_source_and_no_comment() -> None:
    source = (ROOT / "web" / "beacon.js").read_text(encoding="utf-8")
    declared = set(re.findall(r"(?:const|let) (\w{3,}) =", source))
    served = WEB.beacon.body.decode()
    assigned = set(re.findall(r"(?<![\w.])(\w+)=", served))
    assert len(declared) > 30
    assert len(assigned) > 30
    assert set() == declared & assigned
    assert "//" not in served.replace("://", "")


@pytest.mark.parametrize(
    ("path", "cached"),
    [
        ("/beacon.js", "public, max-age=300"),
        (HASHED, "public, max-age=31536000, immutable"),
        ("/beacon.0123456789abcdef.js", "public, max-age=300"),
        ("/a/beacon.js", "public, max-age=300"),
        ("/a/s.js", "public, max-age=300"),
        (f"/a/s.{WEB.beacon.hash}.js", "public, max-age=31536000, immutable"),
        (f"/deep/er{HASHED}", "public, max-age=31536000, immutable"),
        ("/deep/er/s.0123456789abcdef.js", "public, max-age=300"),
    ],
)
async def test_only_a_name_with_the_current_hash_is_cached_for_a_year(
    fetch: Fetch, path: str, cached: str
) -> None:
    response = await fetch(path, "GET")
    assert (200, WEB.beacon.body) == (response.code, response.body)
    assert cached == response.headers["Cache-Control"]
    assert "text/javascript; charset=utf-8" == response.headers["Content-Type"]
    assert "nosniff" == response.headers["X-Content-Type-Options"]


@pytest.mark.parametrize(
    "path", ["/b/beacon.js", "/s.js", "/beacon.0.js", "/a/x.0123456789abcdef.js"]
)
async def test_no_other_path_serves_a_script(fetch: Fetch, path: str) -> None:
    assert 404 == (await fetch(path, "GET")).code


@pytest.mark.parametrize("origin", [None, "https://shop.example.com", "https://other.example"])
async def test_every_origin_may_load_the_script_with_integrity(
    fetch: Fetch, origin: str | None
) -> None:
    headers = {"Origin": origin} if origin else {}
    response = await fetch(HASHED, "GET", headers=headers)
    assert "*" == response.headers["Access-Control-Allow-Origin"]
    assert "Access-Control-Allow-Credentials" not in response.headers
    assert "cross-origin" == response.headers["Cross-Origin-Resource-Policy"]
    assert "Accept-Encoding" == response.headers["Vary"]


def test_the_integrity_value_is_the_sha384_of_the_content() -> None:
    digest = base64.b64encode(hashlib.sha384(WEB.beacon.body).digest()).decode()
    assert f"sha384-{digest}" == WEB.beacon.integrity


@pytest.mark.parametrize("coding", ["gzip", "identity"])
async def test_a_matching_etag_gets_304(fetch: Fetch, coding: str) -> None:
    headers = {"Accept-Encoding": coding}
    etag = (await fetch("/beacon.js", "GET", headers=headers, decompress_response=False)).headers[
        "Etag"
    ]
    for known in (etag, f"W/{etag}", f'"other", {etag}'):
        response = await fetch(
            "/beacon.js",
            "GET",
            headers={**headers, "If-None-Match": known},
            decompress_response=False,
        )
        assert (304, b"", etag) == (response.code, response.body, response.headers["Etag"])
        assert "public, max-age=300" == response.headers["Cache-Control"]
    response = await fetch("/beacon.js", "GET", headers={**headers, "If-None-Match": '"other"'})
    assert 200 == response.code


async def test_the_two_encodings_have_different_etags(fetch: Fetch) -> None:
    tags = {
        (
            await fetch(
                "/beacon.js", "GET", headers={"Accept-Encoding": coding}, decompress_response=False
            )
        ).headers["Etag"]
        for coding in ("gzip", "identity")
    }
    assert 2 == len(tags)


async def test_head_has_no_body_and_the_etag_of_get(fetch: Fetch) -> None:
    head, whole = await fetch("/beacon.js", "HEAD"), await fetch("/beacon.js", "GET")
    assert (200, b"") == (head.code, head.body)
    assert whole.headers["Etag"] == head.headers["Etag"]


async def test_post_is_not_allowed(fetch: Fetch) -> None:
    response = await fetch("/beacon.js", "POST", body=b"")
    assert (405, "GET, HEAD") == (response.code, response.headers["Allow"])


def test_a_script_and_another_one_with_gzip_are_no_asset() -> None:
    with pytest.raises(ValueError, match="make web"):
        Asset.of(b"new", gzip.compress(b"old"), "text/javascript")


def test_reading_the_files_twice_gives_equal_assets() -> None:
    assert WEB == WebFiles.read(ROOT / "web")


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("", False),
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.00, *", False),
        ("*", True),
        ("*;q=0", False),
        ("deflate, identity", False),
        ("gzipped", False),
    ],
)
def test_gzip_is_sent_only_to_clients_that_accept_it(accepted: str, expected: bool) -> None:
    assert expected == accepts_gzip(accepted)
