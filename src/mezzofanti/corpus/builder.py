"""The whole pipeline on one page: passages and stories become jobs, jobs outcomes, outcomes files.

    report = build("recipes/corpus/almanac.yaml", "corpus/")

A build is a folder: `recipe.yaml` (resolved), `store.sqlite` (every call, once),
`samples/<language>-<skill>.parquet`, `rejects.jsonl`, `report.json` and the card `README.md`. Killed at any point,
the same call goes on where it stopped and writes the same bytes; called again when finished, it asks nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from mezzofanti.corpus.card import write_card
from mezzofanti.corpus.dialogue import SKILL as DIALOGUE
from mezzofanti.corpus.dialogue import hold_dialogue
from mezzofanti.corpus.recipe import OpenAISettings, Recipe
from mezzofanti.corpus.report import BuildReport, Outcome, SourceCount
from mezzofanti.corpus.selection import select
from mezzofanti.corpus.sources.reading import read_passages
from mezzofanti.corpus.store import Desk, Store
from mezzofanti.corpus.stories import Story, make_stories
from mezzofanti.corpus.teachers.base import Teacher
from mezzofanti.corpus.translation import carry_story, english_story
from mezzofanti.errors import StateError
from mezzofanti.files import write_json, write_jsonl
from mezzofanti.records import write_samples

__all__ = ["build"]

Progress = Callable[[int, int, str], None]
Job = tuple[str, Callable[[], Awaitable[Outcome]]]


def build(
    recipe: Recipe | Path | str,
    folder: Path | str,
    *,
    progress: Progress | None = None,
    teacher: Teacher | None = None,
) -> BuildReport:
    """Make or continue a corpus in `folder`.

    `progress(done, total, what)` is called after every finished job, `what` being such as "en dialogue". `teacher`
    replaces the one that the recipe names. Raises `ConfigurationError` and `DataError` for a wrong recipe or
    source, `StateError` where the folder holds another build, `TeacherError` where the teacher is gone: what it
    said so far is kept.
    """
    if not isinstance(recipe, Recipe):
        recipe = Recipe.load(recipe)
    folder = Path(folder)
    _claim(folder, recipe)
    return _run(_build(recipe, folder, progress, teacher or _teacher(recipe)))


async def _build(recipe: Recipe, folder: Path, progress: Progress | None, teacher: Teacher) -> BuildReport:
    try:
        passages, counts = read_passages(recipe)
        folder.mkdir(parents=True, exist_ok=True)
        with Store(folder / "store.sqlite") as store:
            recipe.save(folder / "recipe.yaml")
            desk = Desk(teacher, store)
            jobs: list[Job] = [
                (f"{passage.language} {DIALOGUE}", _later(hold_dialogue, passage, desk, recipe))
                for passage in passages
            ]
            jobs += _story_jobs(recipe, desk)
            outcomes = await _work(jobs, teacher.concurrency, progress)
            return _write(folder, recipe, outcomes, counts, desk)
    finally:
        await teacher.close()


def _story_jobs(recipe: Recipe, desk: Desk) -> list[Job]:
    """Tell every story in English, and carry a share of each kind into each other language."""
    if recipe.stories is None:
        return []
    stories = make_stories(recipe.stories.count, recipe.seed)
    jobs: list[Job] = []
    for language in recipe.languages:
        chosen = stories if language == "en" else _share(stories, language, recipe)
        work = _told if language == "en" else carry_story
        jobs += [(f"{language} story", _later(work, story, language, desk, recipe)) for story in chosen]
    return jobs


def _share(stories: list[Story], language: str, recipe: Recipe) -> list[Story]:
    assert recipe.stories is not None
    others = [name for name in recipe.languages if name != "en"]
    return select(
        stories,
        recipe.stories.share,
        seed=recipe.seed,
        turn=others.index(language),
        key=lambda story: story.id,
        stratum=lambda story: story.kind,
    )


async def _told(story: Story, language: str, desk: Desk, recipe: Recipe) -> Outcome:
    return Outcome(sample=english_story(story))


def _later(work: Callable[..., Awaitable[Outcome]], *arguments: Any) -> Callable[[], Awaitable[Outcome]]:
    return lambda: work(*arguments)


async def _work(jobs: list[Job], concurrency: int, progress: Progress | None) -> list[Outcome]:
    """Do the jobs, `concurrency` at a time; outcomes come in the order of the jobs, whichever ended first."""
    outcomes: dict[int, Outcome] = {}
    waiting = iter(enumerate(jobs))

    async def worker() -> None:
        for number, (what, job) in waiting:
            outcomes[number] = await job()
            if progress:
                progress(len(outcomes), len(jobs), what)

    workers = [asyncio.create_task(worker()) for _ in range(min(concurrency, len(jobs)))]
    try:
        await asyncio.gather(*workers)
    finally:
        # one worker's error ends the build: the others must not go on paying
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return [outcomes[number] for number in range(len(jobs))]


def _write(
    folder: Path, recipe: Recipe, outcomes: list[Outcome], counts: list[SourceCount], desk: Desk
) -> BuildReport:
    samples = sorted(
        (outcome.sample for outcome in outcomes if outcome.sample),
        key=lambda sample: (sample.language, sample.skill),
    )
    written = set()
    for (language, skill), group in groupby(samples, key=lambda sample: (sample.language, sample.skill)):
        written.add(folder / "samples" / f"{language}-{skill}.parquet")
        write_samples(folder / "samples" / f"{language}-{skill}.parquet", group)
    for path in set((folder / "samples").glob("*.parquet")) - written:
        path.unlink()
    rejects = [reject for outcome in outcomes for reject in outcome.rejects]
    write_jsonl(folder / "rejects.jsonl", (reject.model_dump() for reject in rejects))
    report = BuildReport.of(folder, outcomes, counts, desk.sent, desk.reused)
    write_json(
        folder / "report.json",
        report.model_dump(mode="json", exclude={"folder", "calls_sent", "calls_reused"}),
    )
    write_card(folder / "README.md", recipe, samples, rejects, report)
    return report


def _claim(folder: Path, recipe: Recipe) -> None:
    """Refuse a folder that holds something else: a build's files are replaced when it is made anew."""
    if folder.is_file():
        raise StateError(f"{folder} is a file.", cure="Name a folder.")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    resolved = folder / "recipe.yaml"
    held = yaml.safe_load(resolved.read_text("utf-8")) if resolved.is_file() else None
    if not isinstance(held, dict) or "name" not in held:
        if {path.name for path in folder.iterdir()} <= {
            "store.sqlite",
            "store.sqlite-wal",
            "store.sqlite-shm",
        }:
            return
        raise StateError(f"{folder} is not empty and holds no build.", cure="Name a new or an empty folder.")
    if held["name"] != recipe.name:
        raise StateError(
            f"{folder} holds the build {held['name']!r}.", cure=f"Name another folder for {recipe.name!r}."
        )


def _teacher(recipe: Recipe) -> Teacher:
    if isinstance(recipe.teacher, OpenAISettings):
        from mezzofanti.corpus.teachers.openai import OpenAITeacher

        return OpenAITeacher(recipe.teacher)
    from mezzofanti.corpus.teachers.offline import OfflineTeacher

    return OfflineTeacher()


def _run(work: Coroutine[Any, Any, BuildReport]) -> BuildReport:
    """Run a coroutine to its end, also where a loop runs already (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, work).result()
