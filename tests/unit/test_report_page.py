"""The page: complete, self-contained, escaped, whole or not at all."""

import html.parser
import json
import re
import subprocess
import sys

import matplotlib
import pytest

from reports import write_report
from reports.analysis.runs import read_runs
from reports.page import write
from reports.page.report import build
from reports.page.write import draw, refs
from reports.words.glossary import MEANING
from saih.errors import InputError
from saih.metrics.compute import UNITS
from tests.conftest import ROOT
from tests.gold.small import lost, measured, write_run

pytestmark = pytest.mark.slow

GOLD = ROOT / "tests" / "gold"
VOID = {"meta", "link", "br", "input", "img", "hr"}


class Reader(html.parser.HTMLParser):
    """Checks that elements nest, and collects ids, links and whatever could load something."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.ids, self.links, self.loads, self.tags = [], [], [], [], set()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.add(tag)
        if "id" in given:
            self.ids.append(given["id"])
        href = given.get("href") or given.get("xlink:href")
        if href and href.startswith("#"):
            self.links.append(href[1:])
        elif href or "src" in given:
            self.loads.append(href or given["src"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another element"


def read(path):
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The report of both kept runs."""
    return write_report([GOLD / "run-cpu", GOLD / "run-gpu"], tmp_path_factory.mktemp("out") / "report.html")


def test_the_page_needs_nothing_else(page):
    found = read(page)
    assert found.loads == ["data:,"]
    assert not {"script", "iframe", "object", "img"} & found.tags
    assert "default-src 'none'" in page.read_text()
    assert "@import" not in page.read_text()
    assert not re.search(r"url\((?!#)", page.read_text())


def test_ids_are_unique_and_links_lead_somewhere(page):
    found = read(page)
    assert len(found.ids) == len(set(found.ids))
    assert set(found.links) <= set(found.ids)


def test_figures_lie_beside_the_page(page):
    svgs = sorted(page.with_name("figures").glob("*.svg"))
    assert svgs
    assert all(svg.read_text().rstrip().endswith("</svg>") for svg in svgs)
    assert read(page).tags >= {"svg", "figure", "figcaption"}
    assert page.read_text().count('role="img" aria-label="') == len(svgs)


def test_no_temporary_file_stays(page):
    assert not list(page.parent.rglob("*.tmp"))


def test_figures_are_the_same_every_time():
    report = build(read_runs([GOLD / "run-cpu"]))
    assert draw(report) == draw(report)


def test_the_caller_s_matplotlib_is_left_alone():
    report = build(read_runs([GOLD / "run-cpu"]))
    with matplotlib.rc_context({"font.size": 33, "axes.spines.left": False}):
        before, backend = dict(matplotlib.rcParams), matplotlib.rcParams._get("backend")
        mine = draw(report)
        assert dict(matplotlib.rcParams) == before
        assert matplotlib.rcParams._get("backend") == backend
    assert mine == draw(report)


def test_without_out_the_report_goes_into_the_first_run(tmp_path):
    first = write_run(tmp_path / "a", measured({"edge": 16}), measured({"edge": 32}))
    second = write_run(tmp_path / "b", measured({"edge": 16}))
    assert write_report([first, second]) == first / "report.html"
    assert (first / "figures").is_dir()
    assert write_report([first]) == first / "report.html"  # over the old one


def test_a_page_of_another_name_has_its_own_figures(tmp_path):
    run = write_run(tmp_path / "a", measured({"edge": 16}))
    write_report([run], tmp_path / "new" / "vendor.html")
    assert (tmp_path / "new" / "vendor-figures").is_dir()


def test_the_old_page_stays_where_a_new_one_cannot_be_made(tmp_path, monkeypatch):
    run = write_run(tmp_path / "a", measured({"edge": 16}))
    path = write_report([run])
    before = path.read_text()
    monkeypatch.setattr(write, "render", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report([run])
    assert path.read_text() == before


def test_a_planted_base_or_form_would_lead_nowhere(tmp_path):
    page = write_report([write_run(tmp_path / "a", measured({"edge": 16}))]).read_text()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert {"default-src 'none'", "base-uri 'none'", "form-action 'none'"} <= set(policy.split("; "))


EVIL = "<script>alert('&\"1\"')</script>\x1b[31m]]>{{7*7}}"


def test_hostile_strings_are_escaped(tmp_path):
    record = measured(
        {"edge": 16, EVIL: 2},
        metrics={EVIL: {"value": 1.0, "unit": EVIL, "better": EVIL, "method": EVIL, "label": EVIL}},
        diagnosis={"verdict": EVIL, "evidence": EVIL},
        system={"ranks": [{"host": EVIL, "device": EVIL, "cores": 1}]},
        provenance={"app_version": EVIL, "started": EVIL},
        run={"input": EVIL, "precision": EVIL},
        data={EVIL: [EVIL]},
    )
    more = measured({"edge": 32, EVIL: 3}, 20, run={"input": f"2{EVIL}"}, flop=2e9)
    failed = lost({"edge": 64, EVIL: 2}, "failed", EVIL)
    failed.error["log_end"] = EVIL + "\ud800"
    point = {**failed.point, "app": EVIL}
    run = write_run(
        tmp_path / "run", type(record)(**{**vars(record), "id": "a"}), type(record)(**{**vars(more), "id": "b"})
    )
    write_run(run, type(record)(**{**vars(failed), "id": "c", "point": point}))
    system = {
        "machine": {"device": EVIL, EVIL: EVIL}, "software": {EVIL: EVIL}, "host": EVIL, "created": EVIL,
        "git": {"commit": EVIL, "dirty": True}, "data": {EVIL: {EVIL: EVIL}},
        "peaks": [{"ranks": 1, "precision": EVIL, "flop_per_s": 1.0, "best": EVIL, "entries": [{"name": EVIL}]}],
    }  # fmt: skip
    write_run(run, system=system, config=f"name: {json.dumps(EVIL)}\n# {EVIL}\n")
    path = write_report([run])
    assert "script" not in read(path).tags
    text = path.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "{{7*7}}" in text  # text, not template


DEGENERATE = {
    "one point": [measured({"edge": 16})],
    "one point without a share": [measured({"edge": 16}, None)],
    "one lost point": [lost({"edge": 16}, "oom")],
    "all lost": [lost({"edge": 16}, "failed"), lost({"edge": 32}, "timeout"), lost({"edge": 64}, "preempted")],
    "all skipped": [lost({"edge": 16}, "skipped"), lost({"edge": 32}, "skipped")],
    "no dial": [measured({}), measured({}, 20, ranks=2)],
    "no growing dial": [measured({"edge": 16}, 10, ranks=1), measured({"edge": 16}, 12, ranks=2)],
    "no interval": [measured({"edge": 16}, 10, spread=0), measured({"edge": 32}, 20, spread=0, flop=8e9)],
    "ok without metrics": [type(lost({}, "oom"))("x", "ok", lost({"edge": 16}, "oom").point)],
    "no point": [type(lost({}, "oom"))("x", "failed", {})],
    "many ranks": [measured({"edge": 16}, 50 / ranks, ranks=ranks) for ranks in range(1, 12)],
    "many widths": [measured({"edge": e, "w": w}, e + w, flop=e**3 * w) for e in range(1, 4) for w in range(1, 10)],
    "no work": [measured({"edge": 16}, flop=1.0, metrics={"flop_per_sample": {"value": 0, "unit": "FLOP"}})],
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_little_or_odd_data_makes_a_page(tmp_path, name):
    found = DEGENERATE[name]
    path = write_report(
        [write_run(tmp_path / "run", *(type(r)(**{**vars(r), "id": f"{i}"}) for i, r in enumerate(found)))]
    )
    text = path.read_text()
    assert read(path).ids
    assert not re.search(r"\b(nan|None|inf)\b", re.sub(r"<svg.*?</svg>", "", text, flags=re.DOTALL))
    assert "not recorded" in text  # there is no system.json


def test_a_folder_that_is_no_run_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        write_report([tmp_path / "nowhere"], tmp_path / "out" / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_every_core_metric_has_a_meaning():
    assert set(MEANING) >= set(UNITS)


def test_references_lead_only_to_points_there_are():
    assert refs("#1 & #2, a#1", {1}) == '<a href="#point-1">#1</a> &amp; #2, a#1'
    assert refs("it's #39", {39}) == 'it&#39;s <a href="#point-39">#39</a>'


def test_drawing_libraries_are_imported_only_when_a_page_is_written():
    code = "import reports, reports.page.report, sys; print([m for m in ('matplotlib', 'jinja2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_page_and_figures_that_lead_elsewhere(tmp_path):
    """A page is put in the link's place; a folder of figures that is a link is refused."""
    run, victim = write_run(tmp_path / "a", measured({"edge": 16})), tmp_path / "victim"
    victim.mkdir()
    (victim / "page").write_text("dear")
    (run / "report.html").symlink_to(victim / "page")
    assert not write_report([run]).is_symlink()
    for path in (run / "figures").iterdir():
        path.unlink()
    (run / "figures").rmdir()
    (run / "figures").symlink_to(victim)
    with pytest.raises(OSError, match="figures is a symbolic link, which is not followed"):
        write_report([run])
    assert [path.read_text() for path in victim.iterdir()] == ["dear"]
