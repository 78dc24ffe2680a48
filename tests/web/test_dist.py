"""The minified scripts in web/dist against their sources, with npm and without."""

import gzip
import json
import re
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from tests.support.parts import lack, require
from tests.support.server_process import ROOT

WEB = ROOT / "web"
CHECKSUMS = Path("dist") / "SHA256SUMS"
PACKAGE = json.loads((WEB / "build" / "package.json").read_text(encoding="utf-8"))
LOCK = json.loads((WEB / "build" / "package-lock.json").read_text(encoding="utf-8"))
OUT_OF_DATE = "web/dist is out of date: run `make web` (it needs npm), then commit web/dist"


def relative(*patterns: str) -> list[Path]:
    return sorted(path.relative_to(WEB) for each in patterns for path in WEB.glob(each))


def checksum(path: Path) -> str:
    return f"{sha256((WEB / path).read_bytes()).hexdigest()}  {path.as_posix()}\n"


def test_the_checksums_cover_the_present_sources_and_output() -> None:
    covered = relative("*.js", "build/*.js", "build/package-lock.json", "dist/*.js", "dist/*.gz")
    expected = "".join(checksum(path) for path in covered)
    assert expected == (WEB / CHECKSUMS).read_text(encoding="utf-8"), OUT_OF_DATE


def test_a_script_is_minified_under_its_own_name() -> None:
    expected = [path.with_suffix(".min.js").name for path in relative("*.js")]
    assert expected == [path.name for path in relative("dist/*.js")]


@pytest.mark.parametrize("path", relative("dist/*.js"), ids=str)
def test_the_compressed_script_is_the_script(path: Path) -> None:
    compressed = (WEB / f"{path}.gz").read_bytes()
    assert (WEB / path).read_bytes() == gzip.decompress(compressed)


def npm(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [require("npm"), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A copy of web/ without its output, built by the versions in the lock file."""
    copy = tmp_path / "web"
    shutil.copytree(WEB, copy, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (copy / "dist").mkdir()
    build = copy / "build"
    installed = npm("ci", "--no-audit", "--no-fund", "--loglevel=error", folder=build)
    if installed.returncode != 0:
        lack(f"npm cannot install the tools: {installed.stderr.strip()}")
    done = npm("run", "build", folder=build)
    assert 0 == done.returncode, done.stdout + done.stderr
    return copy


def test_a_new_build_has_the_same_bytes(built: Path) -> None:
    names = relative("dist/*")
    assert names == sorted(path.relative_to(built) for path in built.glob("dist/*"))
    differing = [name for name in names if (WEB / name).read_bytes() != (built / name).read_bytes()]
    assert [] == differing, OUT_OF_DATE


@pytest.mark.parametrize("tool", ["@gfx/zopfli", "esbuild", "terser"])
def test_each_tool_is_pinned_exactly(tool: str) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", PACKAGE["devDependencies"][tool])


def test_the_lock_file_names_no_registry() -> None:
    # `funding` has addresses of people who ask for donations.
    packages = [{**each, "funding": None} for each in LOCK["packages"].values()]
    assert not re.findall(r'"resolved"|https?://', json.dumps({**LOCK, "packages": packages}))
