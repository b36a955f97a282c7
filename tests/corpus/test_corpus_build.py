"""A whole build offline: what lands in the folder, and what a build refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mezzofanti.corpus import Recipe, build
from mezzofanti.errors import ConfigurationError, DataError, MezzofantiError, StateError
from mezzofanti.files import read_jsonl, write_jsonl
from mezzofanti.records import read_samples

Settings = Callable[..., dict[str, Any]]


def contents(folder: Path) -> dict[str, bytes]:
    """Everything a build wrote but its store."""
    paths = (
        path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("store.sqlite")
    )
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_the_offline_teacher_extracts_dialogues_from_articles(settings: Settings, tmp_path: Path) -> None:
    report = build(Recipe.of(settings()), tmp_path / "out")
    assert report.accepted == {"en/dialogue": 8}
    sample = read_samples(tmp_path / "out" / "samples" / "en-dialogue.parquet")[0]
    assert [message.content for message in sample.messages] == [
        "What is meant by “Altona”?",
        "Altona lies by a river.",
        "What else is known about “Altona”?",
        "The water comes from the hills in the north.",
        "What more can be said about “Altona”?",
        "People of Altona have built boats and mills since 1150, and still do so today.",
    ]
    assert sample.lineage.model_dump() == {
        "source": "Rivers",
        "license": "CC BY-SA 4.0",
        "url": "https://example.org/Altona",
        "passage_id": "en/Altona",
        "parent_id": "",
        "teacher": "offline",
        "prompt": "en.dialogue",
        "template": True,
    }


@pytest.mark.parametrize(
    "title", ["Who Framed Roger Rabbit?", "C?", "What? Why?", "“Heroes”", "Question: *", "什么？"]
)
def test_a_title_may_hold_any_mark(title: str, settings: Settings, articles: Path, tmp_path: Path) -> None:
    rows = [
        {**row, "title": title if row["title"] == "Brenta" else row["title"]} for row in read_jsonl(articles)
    ]
    rows[1]["text"] += " But why? Is it 1234 or less? Nobody knows, people say, to this day."
    write_jsonl(articles, rows)
    dialogues = {"least_turns": 2, "most_turns": 6}
    report = build(
        Recipe.of(settings(dialogues=dialogues, guards={"least_answer_characters": 1})), tmp_path / "out"
    )
    assert (report.accepted, report.rejected) == ({"en/dialogue": 8}, {})
    sample = read_samples(tmp_path / "out" / "samples" / "en-dialogue.parquet")[1]
    asked = [message.content for message in sample.messages if message.role == "user"]
    assert asked[0] == f"What is meant by “{title}”?"
    assert len(set(asked)) == len(asked)


def test_the_almanac_recipe_builds_in_four_languages(repository: Path, tmp_path: Path) -> None:
    report = build(repository / "recipes" / "corpus" / "almanac.yaml", tmp_path / "out")
    assert set(report.accepted) == {
        f"{language}/{skill}"
        for language in ("en", "fr", "es", "de")
        for skill in ("dialogue", "arithmetic-story")
    }
    assert all(report.accepted[f"{language}/dialogue"] == 60 for language in ("en", "fr", "es", "de"))
    assert report.accepted["en/arithmetic-story"] == 120
    assert report.accepted["fr/arithmetic-story"] == 30
    assert report.dropped == report.rejected == {}
    carried = [
        {
            sample.lineage.parent_id
            for sample in read_samples(tmp_path / "out" / "samples" / f"{name}-arithmetic-story.parquet")
        }
        for name in ("fr", "es", "de")
    ]
    assert not carried[0] & carried[1] | carried[1] & carried[2] | carried[0] & carried[2], (
        "each story goes to one language"
    )


def test_real_leads_become_dialogues_in_three_languages(shared_data: Path, tmp_path: Path) -> None:
    source = {
        "type": "documents",
        "path": str(shared_data / "wikipedia_leads" / "{language}.parquet"),
        "source": "Wikipedia",
        "license": "CC BY-SA 4.0",
        "count": 40,
        "leave_out_topics": ["Uncategorized"],
    }
    report = build(
        Recipe.of({"name": "leads", "languages": ["en", "fr", "es"], "sources": [source]}), tmp_path / "out"
    )
    assert all(report.accepted[f"{language}/dialogue"] >= 36 for language in ("en", "fr", "es"))
    assert [count.rows for count in report.sources] == [10033, 9955, 6239]
    assert all(
        sample.lineage.url.startswith(f"https://{sample.language}.wikipedia.org/")
        and len(sample.messages) >= 6
        for path in (tmp_path / "out" / "samples").glob("*.parquet")
        for sample in read_samples(path)
    )


def test_a_build_made_again_asks_nothing_and_writes_the_same_bytes(
    settings: Settings, tmp_path: Path
) -> None:
    recipe = Recipe.of(settings(languages=["en", "de"], stories={"count": 30, "share": 0.2}, sources=[]))
    first = build(recipe, tmp_path / "out")
    before = contents(tmp_path / "out")
    second = build(recipe, tmp_path / "out")
    assert (second.calls_sent, second.calls_reused) == (0, first.calls_sent)
    assert contents(tmp_path / "out") == before
    build(recipe, tmp_path / "elsewhere")
    assert contents(tmp_path / "elsewhere") == before


def test_a_changed_recipe_asks_only_what_is_new_and_leaves_nothing_stale(
    settings: Settings, tmp_path: Path
) -> None:
    stories = {"count": 30, "share": 0.2}
    build(Recipe.of(settings(stories=stories)), tmp_path / "out")
    shorter = build(Recipe.of(settings()), tmp_path / "out")
    assert shorter.calls_sent == 0
    assert [path.name for path in (tmp_path / "out" / "samples").iterdir()] == ["en-dialogue.parquet"]


def test_the_card_says_what_is_inside(settings: Settings, tmp_path: Path) -> None:
    build(Recipe.of(settings(languages=["en"], stories={"count": 12, "share": 0.5})), tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text("utf-8")
    head = yaml.safe_load(text.split("---\n")[1])
    assert head["language"] == ["en"]
    assert head["license"] == ["apache-2.0", "cc-by-sa-4.0"]
    assert [entry["data_files"] for entry in head["configs"]] == [
        "samples/en-arithmetic-story.parquet",
        "samples/en-dialogue.parquet",
    ]
    assert "| en | dialogue | Rivers | 8 | 3.00 |" in text
    assert "| dialogue | offline | a program, from templates | 8 |" in text
    assert "https://example.org/" in text
    assert str(tmp_path) not in text


def test_a_passage_is_shown_where_the_recipe_says_so(settings: Settings, tmp_path: Path) -> None:
    changes = {"least_turns": 3, "most_turns": 3, "document": "shown"}
    build(Recipe.of(settings(dialogues=changes)), tmp_path / "out")
    sample = read_samples(tmp_path / "out" / "samples" / "en-dialogue.parquet")[0]
    assert "<document>\nAltona lies by a river." in sample.messages[0].content
    assert "<document>" not in sample.messages[2].content


def test_dialogues_with_too_few_facts_are_counted(settings: Settings, tmp_path: Path) -> None:
    report = build(Recipe.of(settings(dialogues={"least_turns": 12, "most_turns": 12})), tmp_path / "out")
    assert report.accepted == {}
    assert report.dropped == {"too-few-facts": 8}
    rows = list(read_jsonl(tmp_path / "out" / "rejects.jsonl"))
    assert {row["detail"] for row in rows} == {"6 of 12 turns"}
    assert any("too-few-facts 8" in line for line in report.lines())
    assert len(report.lines()) == 3


def test_a_folder_that_holds_something_else_is_left_alone(settings: Settings, tmp_path: Path) -> None:
    recipe = Recipe.of(settings())
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "README.md").write_text("three years of work")
    with pytest.raises(StateError, match="holds no build"):
        build(recipe, tmp_path / "thesis")
    assert (tmp_path / "thesis" / "README.md").read_text() == "three years of work"
    build(recipe, tmp_path / "out")
    with pytest.raises(StateError, match="'rivers'"):
        build(Recipe.of(settings(name="lakes")), tmp_path / "out")


def test_two_builds_cannot_write_one_folder(settings: Settings, tmp_path: Path) -> None:
    from mezzofanti.corpus.store import Store

    build(Recipe.of(settings()), tmp_path / "out")
    with Store(tmp_path / "out" / "store.sqlite"), pytest.raises(StateError, match="Another build"):
        build(Recipe.of(settings()), tmp_path / "out")


def test_a_broken_store_is_named(settings: Settings, tmp_path: Path) -> None:
    build(Recipe.of(settings()), tmp_path / "out")
    (tmp_path / "out" / "store.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StateError, match=r"store\.sqlite"):
        build(Recipe.of(settings()), tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"langages": ["en"]}, "unknown key 'langages'. Did you mean 'languages'?"),
        ({"dialogues": {"least_turn": 3}}, "unknown key 'dialogues.least_turn'. Did you mean 'least_turns'?"),
        (
            {"teacher": {"type": "openai", "base_url": "http://x/v1", "modle": "m"}},
            "unknown key 'teacher.openai.modle'. Did you mean 'model'?",
        ),
        ({"teacher": {"type": "openai", "base_url": "x", "model": "m"}}, "teacher.openai.base_url"),
        ({"teacher": {"type": "opnai"}}, "teacher"),
        ({"languages": ["fra"]}, "Did you mean 'fr'?"),
        ({"languages": []}, "languages"),
        ({"languages": ["en", "en"]}, "named twice"),
        ({"sources": []}, "nothing to build"),
        ({"dialogues": {"least_turns": 5, "most_turns": 3}}, "most_turns (3) is below least_turns (5)"),
        ({"name": "../escape"}, "'name'"),
        ({"stories": {"count": 5, "share": 0}}, "stories.share"),
    ],
)
def test_a_wrong_recipe_is_one_line_that_names_the_cure(
    settings: Settings, tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(settings(**changes)), "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        build(path, tmp_path / "out")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("missing.jsonl", None, "There is no file"),
        ("articles.jsonl", "", "has no rows"),
        ("articles.jsonl", '{"title": "A", "txt": "B"}', "Did you mean 'txt'?"),
        ("articles.jsonl", "[1, 2]", "not an object"),
        ("articles.jsonl", '{"title": "A", "text": ""}', "none of 1 rows qualifies ({'empty': 1})"),
        ("articles.jsonl", '{"title": "A", "text": "B", "language": "fr"}', "{'other language': 1}"),
        ("articles.jsonl", "{broken", "line 1"),
        ("articles.parquet", "no parquet", "not Parquet"),
        ("articles.csv", "a,b", "'.csv'"),
    ],
)
def test_wrong_data_is_one_line_that_names_the_file(
    settings: Settings, tmp_path: Path, name: str, content: str | None, told: str
) -> None:
    path = tmp_path / "data" / name
    path.parent.mkdir()
    if content is not None:
        path.write_text(content, "utf-8")
    source = {"type": "documents", "path": str(path), "source": "Rivers", "license": "CC BY-SA 4.0"}
    with pytest.raises(DataError) as caught:
        build(Recipe.of(settings(sources=[source])), tmp_path / "out")
    assert told in str(caught.value)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "- a list", "a: [unclosed", "\x00"])
def test_a_recipe_that_is_no_recipe(tmp_path: Path, content: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(content)
    with pytest.raises(MezzofantiError) as caught:
        build(path, tmp_path / "out")
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="no recipe"):
        build(tmp_path / "nowhere.yaml", tmp_path / "out")


def test_paths_count_from_the_recipe(settings: Settings, articles: Path, tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    content = settings()
    content["sources"][0]["path"] = "../articles.jsonl"
    (tmp_path / "recipes" / "mine.yaml").write_text(json.dumps(content))
    assert build(tmp_path / "recipes" / "mine.yaml", tmp_path / "out").accepted == {"en/dialogue": 8}


def test_ready_recipes_are_read(repository: Path) -> None:
    for path in (repository / "recipes" / "corpus").glob("*.yaml"):
        assert Recipe.load(path).name == path.stem


def test_rows_left_out_are_counted_by_reason(settings: Settings, articles: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in articles.read_text("utf-8").splitlines()]
    rows += [
        rows[0],
        {**rows[1], "title": "Weser", "language": "de"},
        {**rows[1], "title": "X", "text": "short"},
    ]
    rows += [{**rows[1], "title": "Y", "topic": "None"}, {"title": "Z", "text": None}]
    articles.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    content = settings()
    content["sources"][0] |= {"leave_out_topics": ["None"], "count": 5}
    report = build(Recipe.of(content), tmp_path / "out")
    (count,) = report.sources
    assert count.left_out == {
        "empty": 1,
        "other language": 1,
        "title seen before": 1,
        "too short": 1,
        "topic left out": 1,
    }
    assert (count.rows, count.qualified, count.taken) == (13, 8, 5)
    assert report.accepted == {"en/dialogue": 5}
