"""The files around the code agree with each other and with the code."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

PAPERS = {"2402.04588": 12, "2410.22782": 5, "2502.17510": 10, "0912.0341": 3}
"""The four papers, with how many authors each has."""

EXTRAS = {"corpus", "train", "curvature", "eval", "ray", "docs", "ngsolve", "all"}
TARGETS = {"help", "setup", "base", "demo", "test", "check", "format", "drills", "bench", "docs", "clean"}
LARGEST_FILE = 1_000_000


@pytest.fixture(scope="module")
def project(repository: Path) -> dict[str, Any]:
    return tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def constraints(repository: Path) -> dict[str, str]:
    lines = (repository / "constraints.txt").read_text("utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def plain(requirement: str) -> str:
    """'Jinja2>=3.1' -> 'jinja2': names of packages compare in lower case with dashes."""
    return re.split(r"[\[<>=!~; ]", requirement)[0].lower().replace("_", "-")


def without_code(text: str) -> str:
    """The page without its fenced blocks and code spans."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def test_extras_are_there_and_the_base_install_is_light(project: dict[str, Any]) -> None:
    extras = project["project"]["optional-dependencies"]
    assert set(extras) == EXTRAS
    base = {plain(requirement) for requirement in project["project"]["dependencies"]}
    assert base.isdisjoint({"torch", "transformers", "peft", "trl", "openai", "matplotlib", "scipy"})
    assert extras["all"] == ["mezzofanti[corpus,train,curvature,eval]"]


def test_every_requirement_of_the_setup_is_pinned(
    project: dict[str, Any], constraints: dict[str, str]
) -> None:
    extras = project["project"]["optional-dependencies"]
    wanted = {*project["project"]["dependencies"], *project["dependency-groups"]["dev"]}
    wanted |= {
        requirement for extra in ("corpus", "train", "curvature", "eval") for requirement in extras[extra]
    }
    pinned = {plain(name) for name in constraints}
    assert {plain(requirement) for requirement in wanted} - pinned == set()


def test_pinned_versions_fit_every_build_of_torch(constraints: dict[str, str]) -> None:
    assert constraints["torch"] == "2.13.0"
    assert not [name for name, version in constraints.items() if "+" in version]


def test_what_runs_here_is_what_is_pinned(constraints: dict[str, str]) -> None:
    from importlib.metadata import version

    chosen = ("torch", "transformers", "peft", "trl", "pydantic", "numpy")
    assert {name: version(name).split("+")[0] for name in chosen} == {
        name: constraints[name] for name in chosen
    }


def test_licence_is_the_whole_text(repository: Path, project: dict[str, Any]) -> None:
    text = (repository / "LICENSE").read_text("utf-8")
    assert project["project"]["license"] == "Apache-2.0"
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert len(text.splitlines()) > 195


def test_citation_names_the_four_papers(repository: Path, project: dict[str, Any]) -> None:
    citation = yaml.safe_load((repository / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == project["project"]["version"]
    authors = {
        paper["identifiers"][0]["value"].removeprefix("arXiv:"): len(paper["authors"])
        for paper in citation["references"]
    }
    assert authors == PAPERS


def test_changelog_tells_what_is_new(repository: Path, project: dict[str, Any]) -> None:
    headings = re.findall(r"^## \[(.+?)\]", (repository / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", heading) for heading in headings[1:])


def test_make_alone_lists_every_target(repository: Path) -> None:
    told = subprocess.run(["make", "--no-print-directory"], cwd=repository, capture_output=True, text=True)
    assert {line.split()[1] for line in told.stdout.splitlines() if line.startswith("  make ")} == TARGETS


def test_ci_runs_what_developers_run(repository: Path) -> None:
    script = repository / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert re.search(r"^make test", script.read_text("utf-8"), re.MULTILINE)
    assert subprocess.run(["bash", "-n", str(script)]).returncode == 0


def test_links_between_pages_lead_somewhere(repository: Path) -> None:
    broken = [
        f"{page.relative_to(repository)}: {target}"
        for page in [*repository.glob("*.md"), *(repository / "docs").rglob("*.md")]
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", without_code(page.read_text("utf-8")))
        if not target.startswith(("http://", "https://", "mailto:")) and not (page.parent / target).exists()
    ]
    assert broken == []


def test_no_large_file_is_committed(repository: Path) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=repository, capture_output=True, text=True)
    if listed.returncode:
        return  # a release's source archive has no git folder, and nothing to check
    sizes = {
        name: (repository / name).stat().st_size
        for name in listed.stdout.splitlines()
        if (repository / name).is_file()
    }
    assert {name: size for name, size in sizes.items() if size > LARGEST_FILE} == {}
