"""The page in a real browser: no complaint in the console, no sideways scroll, hostile answers inert."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mezzofanti.report import write_report

Maker = Callable[..., Path]
WIDTHS = (360, 800, 1440)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--hide-scrollbars", "--enable-logging=stderr"),
)
# The page forbids itself all scripts, so it is measured from outside, in frames of the widths asked for.
MEASURE = """<!doctype html><body><pre id="found"></pre><script type="application/json">%s</script><script>
const source = JSON.parse(document.querySelector('script[type]').textContent);
const results = [];
for (const width of %s) {
  const frame = document.createElement('iframe');
  frame.style.cssText = `width:${width}px;height:900px;border:0`;
  frame.srcdoc = source;
  frame.onload = () => {
    const page = frame.contentDocument, root = page.documentElement;
    const wide = [...page.querySelectorAll('body *')].filter(e => !e.closest('.scroll, svg, .unseen, math')
      && e.getBoundingClientRect().right > width + 0.5).map(e => e.tagName + '.' + e.className);
    results.push({width, client: root.clientWidth, scroll: root.scrollWidth, wide,
      title: page.title, scripts: page.scripts.length, images: page.images.length,
      headings: [...page.querySelectorAll('h2')].map(e => e.textContent),
      text: page.body.innerText.length, charts: page.querySelectorAll('.chart svg').length});
    document.getElementById('found').textContent = JSON.stringify(results);
  };
  document.body.append(frame);
}
</script>"""


def browse(page: str, folder: Path) -> tuple[list[dict[str, object]], list[str]]:
    """Open the page at every width; return what was measured and what the console said."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium here: install the package `chromium` to test the page in a browser")
    source = json.dumps(page).replace("<", "\\u003c")
    measure = folder / "measure.html"
    measure.write_text(MEASURE % (source, json.dumps(WIDTHS)), "utf-8")
    command = [
        chromium,
        *FLAGS,
        f"--user-data-dir={folder / 'profile'}",
        "--virtual-time-budget=8000",
        "--dump-dom",
    ]
    done = subprocess.run(
        [*command, measure.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(html.unescape(found.group(1))), said


@pytest.mark.browser
def test_the_page_in_a_browser(
    school: list[Path], learner: Maker, routed: Callable[[Path], Path], tmp_path: Path
) -> None:
    folders = [*school, learner("joint"), routed(learner("recurrent-kif", "other", adapter="malora"))]
    write_report(folders, tmp_path / "report.html")
    found, said = browse((tmp_path / "report.html").read_text("utf-8"), tmp_path)
    assert said == []
    assert sorted(str(page["width"]) for page in found) == sorted(map(str, WIDTHS))
    for page in found:
        assert page["scroll"] == page["client"] == page["width"]
        assert page["wide"] == []
        assert page["charts"] == 3
        assert len(str(page["headings"])) > 100
        assert int(str(page["text"])) > 3000


@pytest.mark.browser
def test_hostile_answers_in_a_browser(learner: Maker, tmp_path: Path) -> None:
    hostile = (
        "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">" + "W" * 400
    )
    rows = [[0, 0, 0], [0.93, 0.03, 0]]
    write_report(
        [learner("sequential", rows=rows, hostile=hostile)], tmp_path / "report.html", title="A title"
    )
    found, said = browse((tmp_path / "report.html").read_text("utf-8"), tmp_path)
    assert said == []
    for page in found:
        assert (page["title"], page["scripts"], page["images"]) == ("A title", 0, 0)
        assert page["scroll"] == page["width"]
        assert page["wide"] == []
