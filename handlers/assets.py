"""Files for browsers, read once at start."""

import gzip
import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256, sha384
from pathlib import Path

from handlers.base import BaseHandler
from http1.activity import Activity

# Length of the hash in a file name, long enough that no two versions share one.
_HASH_CHARS = 16

# One year, the longest lifetime that RFC 2616 allowed; caches still use that limit.
FOR_EVER = "public, max-age=31536000, immutable"
FOR_MINUTES = "public, max-age=300"

_HTML = "text/html; charset=utf-8"
_SCRIPT = "text/javascript; charset=utf-8"

_ZERO_WEIGHT = re.compile(r"q=0(?:\.0*)?")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file in the form in which it is served.

    `hash` identifies the content; `integrity` is the value of that attribute in a script tag
    (https://www.w3.org/TR/SRI/).
    """

    body: bytes
    gzipped: bytes
    content_type: str
    hash: str
    integrity: str

    @classmethod
    def of(cls, body: bytes, gzipped: bytes, content_type: str) -> "Asset":
        """Hash a file. Raise ValueError if `gzipped` is not the same file with gzip."""
        if gzip.decompress(gzipped) != body:
            raise ValueError("the compressed file is out of date: run `make web`")
        integrity = f"sha384-{b64encode(sha384(body).digest()).decode()}"
        return cls(
            body,
            gzipped,
            content_type,
            sha256(body).hexdigest()[:_HASH_CHARS],
            integrity,
        )


@dataclass(frozen=True, slots=True)
class WebFiles:
    """The static files that the server delivers to browsers."""

    beacon: Asset
    selftest_page: Asset
    selftest_script: Asset

    @classmethod
    def read(cls, directory: Path) -> "WebFiles":
        """Read the files of `web/`.

        Raise OSError if one is missing, ValueError if one in `dist/` is out of date.
        """
        page = directory / "selftest.html"
        html = page.read_bytes()
        return cls(
            _script(directory / "dist" / "beacon.min.js"),
            Asset.of(html, gzip.compress(html, compresslevel=9, mtime=0), _HTML),
            _script(directory / "dist" / "selftest.min.js"),
        )


# `make web` compresses the scripts, to fewer bytes than gzip.compress() would.
def _script(path: Path) -> Asset:
    packed = path.with_name(f"{path.name}.gz")
    return Asset.of(path.read_bytes(), packed.read_bytes(), _SCRIPT)


class PublicHandler(BaseHandler):
    """Base of the handlers whose responses every page may read, as they hold no user data."""

    def set_default_headers(self) -> None:
        """Allow every origin without credentials, so that caches keep one response for all."""
        super().set_default_headers()
        for name in ("Access-Control-Allow-Credentials", "Access-Control-Expose-Headers", "Vary"):
            self.clear_header(name)
        self.set_header("Access-Control-Allow-Origin", "*")
        self.set_header("Cross-Origin-Resource-Policy", "cross-origin")


class AssetHandler(PublicHandler):
    """Handler of one file, with an ETag (RFC 9110, section 8.8.3) for each of two encodings."""

    def initialize(  # type: ignore[override]
        self, activity: Activity, asset: Asset, cache_control: str, policy: str = ""
    ) -> None:
        """Set the file and the values of Cache-Control and, if any, Content-Security-Policy."""
        super().initialize(activity)
        self._asset = asset
        self._cache_control = cache_control
        self._policy = policy

    def get(self) -> None:
        """Send the file, or 304 if the browser has the current version."""
        asset = self._asset
        is_gzip = accepts_gzip(self.header("Accept-Encoding") or "")
        self.set_header("Cache-Control", self._cache_control)
        self.set_header("Content-Type", asset.content_type)
        self.set_header("Vary", "Accept-Encoding")
        self.set_header("Etag", f'"{asset.hash}-gzip"' if is_gzip else f'"{asset.hash}"')
        if self._policy:
            self.set_header("Content-Security-Policy", self._policy)
        if self.check_etag_header():
            self.send(304, None)
            return
        if is_gzip:
            self.set_header("Content-Encoding", "gzip")
        self.send(200, asset.gzipped if is_gzip else asset.body)

    def head(self) -> None:
        """Send the header fields of GET without a body."""
        self.get()


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether the client accepts gzip, by RFC 9110, section 12.5.3."""
    weights: dict[str, bool] = {}
    for entry in accept_encoding.lower().split(","):
        coding, _, weight = entry.partition(";")
        weights[coding.strip()] = _ZERO_WEIGHT.fullmatch(weight.replace(" ", "")) is None
    return weights.get("gzip", weights.get("*", False))
