"""The room's own citation agrees with the project's, with the page that shows it, and comes along in the package."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml


@pytest.fixture(scope="module")
def citation() -> dict[str, Any]:
    return yaml.safe_load(files("mezzofanti.curvature").joinpath("CITATION.cff").read_text("utf-8"))


def test_it_is_of_this_version_and_names_the_paper(citation: dict[str, Any], repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))["project"]
    whole = yaml.safe_load((repository / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    assert citation["authors"] == whole["authors"]
    assert citation["references"] == [
        paper for paper in whole["references"] if paper["title"] == "The mean curvature measure"
    ]


def test_the_page_says_the_same(citation: dict[str, Any], repository: Path) -> None:
    page = (repository / "docs" / "curvature.md").read_text("utf-8")
    entries = re.findall(r"@\w+\{.*?\n\}", page, re.DOTALL)
    software, paper = (
        dict(re.findall(r"(\w+)\s*= \{+(.*?)\}+", " ".join(entry.split()))) for entry in entries
    )
    known = citation["references"][0]
    assert (software["title"], software["version"]) == (citation["title"], citation["version"])
    assert [paper[key] for key in ("title", "journal", "doi")] == [
        known[key] for key in ("title", "journal", "doi")
    ]
    assert [paper[key] for key in ("volume", "number", "year")] == [
        str(known[key]) for key in ("volume", "issue", "year")
    ]
    assert paper["pages"] == f"{known['start']}--{known['end']}"
    authors = [f"{who['family-names']}, {who['given-names']}" for who in known["authors"]]
    assert paper["author"].split(" and ") == authors


def test_the_room_has_a_section_of_its_own_with_all_its_pages(repository: Path) -> None:
    def every_page(entry: Any) -> list[str]:
        inner = entry if isinstance(entry, list) else entry.values() if isinstance(entry, dict) else ()
        return [entry] if isinstance(entry, str) else [page for one in inner for page in every_page(one)]

    nav = yaml.safe_load((repository / "mkdocs.yml").read_text("utf-8"))["nav"]
    (section,) = [one for one in nav if any(name.startswith("Curvature") for name in one)]
    pages = every_page(section)
    assert pages[0] == "curvature.md"
    about = {page for page in every_page(nav) if "curvature" in page or "film" in page}
    assert set(pages) == about
    landing = (repository / "docs" / "curvature.md").read_text("utf-8")
    assert all(f"]({page})" in landing for page in pages[1:])
    docs = {path.relative_to(repository / "docs").as_posix() for path in (repository / "docs").rglob("*.md")}
    assert set(every_page(nav)) == docs
