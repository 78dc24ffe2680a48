"""The page on the corpora against the corpora."""

from benchmarks.corpora.page import page
from tests.support.server_process import ROOT


def test_the_page_shows_what_the_corpora_send() -> None:
    path = ROOT / "benchmarks" / "corpora" / "README.md"
    assert page() == path.read_text(encoding="utf-8")
