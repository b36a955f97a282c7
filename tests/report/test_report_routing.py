"""The report's section on routers: the numbers are the files', and it is absent where there are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mezzofanti.errors import DataError
from mezzofanti.files import read_json, write_json
from mezzofanti.report import write_report
from mezzofanti.report.reading import read_learner
from mezzofanti.report.routing import routing, variation

Maker = Callable[..., Path]
Routed = Callable[[Path], Path]


def test_the_router_that_tells_tasks_apart_comes_first(learner: Maker, routed: Routed) -> None:
    (shown,) = routing([read_learner(routed(learner("recurrent-kif")))])
    assert [router.name for router in shown.routers] == ["b.q_proj", "a.q_proj"]
    # pairs of b: english-french 1, english-spanish 1, french-spanish 0.25; of a: none
    assert shown.routers[0].apart == pytest.approx(0.75)
    assert shown.apart == pytest.approx(0.375)
    assert (shown.dead, shown.experts, shown.count) == (1, 6, 2)
    assert [(group.name, group.entropy, group.dead) for group in shown.groups] == [
        ("english", 0.25, 3),
        ("french", 0.5, 2),
        ("spanish", 0.75, 2),
    ]
    assert shown.entropy == pytest.approx(0.5)


def test_the_page_shows_it(learner: Maker, routed: Routed, tmp_path: Path) -> None:
    folders = [learner("replay"), routed(learner("recurrent-kif"))]
    write_report(folders, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.count("Load of the experts of") == 2
    assert "2 routers in all, 6 experts; 1 of them nobody chose for any task." in page
    for task, entropy, dead in (("English", "0.25", 3), ("French", "0.50", 2), ("Spanish", "0.75", 2)):
        assert f'<th scope="row">{task}</th><td>{entropy}</td><td>{dead}</td>' in page
    write_report(folders[:1], tmp_path / "report.html")
    assert "Which experts answered" not in (tmp_path / "report.html").read_text("utf-8")


def test_what_was_not_counted_is_not_called_none(learner: Maker, routed: Routed, tmp_path: Path) -> None:
    folder = routed(learner("recurrent-kif"))
    path = folder / "tasks" / "03-spanish" / "routing.json"
    content = read_json(path)
    del content["groups"][0]["routing_dead_experts"]
    write_json(path, content)
    write_report([folder], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert '<th scope="row">English</th><td>0.25</td><td>–</td>' in page


def test_a_broken_file_is_named(learner: Maker) -> None:
    folder = learner("recurrent-kif")
    write_json(folder / "tasks" / "03-spanish" / "routing.json", {"schema": 1})
    with pytest.raises(DataError, match=r"routing\.json does not hold groups"):
        read_learner(folder)


def test_variation_is_zero_for_the_same_and_one_for_nothing_shared() -> None:
    assert variation([0.5, 0.5], [0.5, 0.5]) == 0
    assert variation([1, 0], [0, 1]) == 1
