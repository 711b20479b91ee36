"""The report in a real browser: it opens from a file, asks for nothing, shows its figures, fits a phone, and prints."""

import re
import shutil

import pytest

from reports import write_report
from tests.browser.devtools import browser, find_chromium
from tests.conftest import ROOT

pytestmark = pytest.mark.browser
PAPER_IN = {"A4": (8.27, 11.69), "Letter": (8.5, 11.0)}
FIGURES = """[...document.querySelectorAll("figure svg")].map(svg => {
    const box = svg.getBoundingClientRect(), texts = [...svg.querySelectorAll("text")]
    return {width: box.width, height: box.height, label: svg.getAttribute("aria-label"), texts: texts.length,
            outside: texts.map(t => [t.textContent, t.getBoundingClientRect()]).filter(([_, b]) =>
                b.left < box.left - 1 || b.right > box.right + 1 || b.bottom > box.bottom + 1).map(([t, _]) => t)}})"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("there is no Chromium on this machine (Debian: apt-get install chromium)")
    with browser(chromium, tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    gold = ROOT / "tests" / "gold"
    runs = [gold / name for name in ("run-cpu", "run-gpu", "run-io", "run-profile")]
    return write_report(runs, tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture(params=[(1400, 900, False), (390, 844, True)], ids=["desktop", "phone"])
def opened(request, tab, page):
    """The page, open in a window of one of two sizes."""
    tab.resize(*request.param)
    tab.navigate(page.as_uri())
    return tab


def test_nothing_is_asked_for_and_nothing_complains(opened, page):
    asked = [e["params"]["request"]["url"] for e in opened.events if e.get("method") == "Network.requestWillBeSent"]
    assert {url for url in asked if not url.startswith("data:")} == {page.as_uri()}
    said = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
    assert [event for event in opened.events if event.get("method") in said] == []


def test_the_page_alone_is_enough(tab, page, tmp_path):
    alone = tmp_path / "mailed.html"
    shutil.copy(page, alone)
    tab.resize(1400, 900)
    tab.navigate(alone.as_uri())
    assert len(tab.evaluate(FIGURES)) >= 4
    assert tab.evaluate("document.title").startswith("SAIH report")


def test_figures_are_visible_and_whole(opened):
    figures = opened.evaluate(FIGURES)
    assert figures
    for figure in figures:
        assert figure["width"] > 300
        assert figure["height"] > 100
        assert figure["texts"] > 10
        assert figure["outside"] == []
        assert figure["label"]


def test_only_tables_and_figures_scroll_sideways(opened):
    assert opened.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_links_lead_to_points(opened):
    opened.evaluate("document.querySelector('ol.findings a').click()")
    assert re.fullmatch(r"#point-\d+", opened.evaluate("location.hash"))
    assert opened.evaluate("document.querySelector(':target').getBoundingClientRect().top > -1")


@pytest.mark.parametrize("paper", PAPER_IN)
def test_it_prints(tab, page, paper, tmp_path):
    tab.resize(1400, 900)
    tab.navigate(page.as_uri())
    pdf = tab.pdf(*PAPER_IN[paper])
    assert pdf.startswith(b"%PDF")
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert 5 <= pages <= 10 * 4  # four runs
