"""Files for browsers: read, minified and compressed once, at the start."""

import gzip
import re
from base64 import b64encode
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256, sha384
from itertools import chain, product
from pathlib import Path
from string import ascii_letters, digits

from rjsmin import jsmin

from handlers.base import BaseHandler
from http1.activity import Activity

# How much of a file's digest its name has: enough that no two versions share it.
_HASH_CHARS = 16

# A year, the most that RFC 2616 let a server promise and that caches still go by.
FOR_EVER = "public, max-age=31536000, immutable"
FOR_MINUTES = "public, max-age=300"

_OWN_NAME = re.compile(r"\b_[A-Za-z]\w*")
_ZERO_WEIGHT = re.compile(r"q=0(?:\.0*)?")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served. `hash` names its content, `integrity` is for the page's tag
    (https://www.w3.org/TR/SRI/)."""

    body: bytes
    gzipped: bytes
    content_type: str
    hash: str
    integrity: str

    @classmethod
    def of(cls, body: bytes, content_type: str) -> "Asset":
        """Compress a file. The same bytes give the same result at each start."""
        integrity = f"sha384-{b64encode(sha384(body).digest()).decode()}"
        return cls(
            body,
            gzip.compress(body, compresslevel=9, mtime=0),
            content_type,
            sha256(body).hexdigest()[:_HASH_CHARS],
            integrity,
        )


@dataclass(frozen=True, slots=True)
class WebFiles:
    """What browsers get besides answers."""

    beacon: Asset
    selftest_page: Asset
    selftest_script: Asset

    @classmethod
    def read(cls, directory: Path) -> "WebFiles":
        """Read and minify the files of `web/`; OSError if one is missing."""
        return cls(
            _script(directory / "beacon.js"),
            Asset.of((directory / "selftest.html").read_bytes(), "text/html; charset=utf-8"),
            _script(directory / "selftest.js"),
        )


def _script(path: Path) -> Asset:
    minified = _shortened(jsmin(path.read_text(encoding="utf-8")))
    return Asset.of(minified.encode(), "text/javascript; charset=utf-8")


def _shortened(script: str) -> str:
    """Give the names that begin with an underscore one letter, or one and a digit.

    In our scripts these are local, and no other name is so short.
    """
    by_use = Counter(_OWN_NAME.findall(script)).most_common()
    new = chain(ascii_letters, map("".join, product(ascii_letters, digits)))
    names = {old: short for (old, _), short in zip(by_use, new, strict=False)}
    return _OWN_NAME.sub(lambda match: names[match[0]], script)


class PublicHandler(BaseHandler):
    """A handler whose answers any page may read: they hold nothing of anybody."""

    def set_default_headers(self) -> None:
        """Let every origin read, without credentials, so that caches keep one answer for all."""
        super().set_default_headers()
        for name in ("Access-Control-Allow-Credentials", "Access-Control-Expose-Headers", "Vary"):
            self.clear_header(name)
        self.set_header("Access-Control-Allow-Origin", "*")
        self.set_header("Cross-Origin-Resource-Policy", "cross-origin")


class AssetHandler(PublicHandler):
    """One file, with an ETag (RFC 9110, section 8.8.3) for each of its two encodings."""

    def initialize(  # type: ignore[override]
        self, activity: Activity, asset: Asset, cache_control: str, policy: str = ""
    ) -> None:
        """Take the file, how long it may be kept, and its Content-Security-Policy, if any."""
        super().initialize(activity)
        self._asset = asset
        self._cache_control = cache_control
        self._policy = policy

    def get(self) -> None:
        """Send the file, or 304 if the browser has it."""
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
        """Send only what is said of it."""
        self.get()


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether a client takes gzip: RFC 9110, section 12.5.3."""
    weights: dict[str, bool] = {}
    for entry in accept_encoding.lower().split(","):
        coding, _, weight = entry.partition(";")
        weights[coding.strip()] = _ZERO_WEIGHT.fullmatch(weight.replace(" ", "")) is None
    return weights.get("gzip", weights.get("*", False))
