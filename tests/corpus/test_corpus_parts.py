"""Selection, stories, sentences, the store: each against what it promises."""

from __future__ import annotations

import asyncio
import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezzofanti.corpus import Reply, Request, select
from mezzofanti.corpus.dialogue import turns_wanted
from mezzofanti.corpus.prompts import LANGUAGES
from mezzofanti.corpus.recipe import Recipe
from mezzofanti.corpus.sources.documents import pack
from mezzofanti.corpus.store import Desk, Store
from mezzofanti.corpus.stories import make_stories, tell
from mezzofanti.corpus.text import numbers, overlap, sentences
from mezzofanti.corpus.tidying import whole_sentences
from mezzofanti.errors import ConfigurationError
from mezzofanti.records import Message, Passage


@given(
    st.sets(st.text(min_size=1, max_size=5), max_size=60), st.floats(0.01, 1), st.integers(0, 5), st.randoms()
)
def test_a_share_of_every_stratum_whatever_the_order(
    items: set[str], share: float, seed: int, random: object
) -> None:
    def stratum(item: str) -> str:
        return str(len(item))

    listed = sorted(items)
    kept = select(listed, share, seed=seed, stratum=stratum)
    random.shuffle(listed)  # type: ignore[attr-defined]
    assert set(select(listed, share, seed=seed, stratum=stratum)) == set(kept)
    for name in {stratum(item) for item in items}:
        size = sum(stratum(item) == name for item in items)
        assert sum(stratum(item) == name for item in kept) == math.ceil(share * size - 1e-9)


def test_languages_in_turn_cover_every_item_before_any_twice() -> None:
    items = [f"item {number}" for number in range(40)]
    chosen = [set(select(items, 0.25, turn=turn)) for turn in range(5)]
    assert set.union(*chosen[:4]) == set(items)
    assert chosen[4] == chosen[0]
    assert len(select(items, 0.1)) == 4


def test_a_share_must_be_a_share_and_names_must_differ() -> None:
    with pytest.raises(ConfigurationError, match="share"):
        select(["a"], 1.5)
    with pytest.raises(ConfigurationError, match="same name"):
        select(["a", "a"], 0.5)


def test_stories_are_right_and_the_same_numbers_in_every_language() -> None:
    stories = make_stories(300, seed=3)
    assert len({story.id for story in stories}) == 300
    for story in stories:
        english = tell(story, "en")
        *sums, _ = re.split(r"(?<=\d)\. ", english["answer"].replace("×", "*").replace("÷", "//"))
        for line in sums:
            left, right = line.split(" = ")
            first, sign, second = left.split()
            counted = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__, "//": int.__floordiv__}
            assert counted[sign](int(first), int(second)) == int(right), line
        for language in LANGUAGES:
            told = tell(story, language)
            assert "{" not in told["question"] + told["answer"]
            for part in ("question", "answer"):
                assert numbers(told[part], language) == numbers(english[part], "en"), (language, told)


def test_plurals_follow_the_language() -> None:
    story = next(
        story
        for story in make_stories(600, seed=0)
        if story.a % 10 == 1 and story.a > 20 and story.thing == 0
    )
    assert f"{story.a} яблоко" in tell(story, "ru")["question"]
    assert f"{story.a} apples" in tell(story, "en")["question"]


def test_more_stories_than_there_are_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mezzofanti.corpus.stories.KINDS", {"together": lambda draw: (2, 3, 0, 0, 5)})
    # one set of numbers, thirty pairs of names, five things
    assert len(make_stories(140, seed=0)) == 140
    with pytest.raises(ConfigurationError, match="at most 150"):
        make_stories(151, seed=0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is old. It was built by G.I. Joe Smith in St. Louis. No one knows.", 3),
        ("Elle naît à Paris. « C'est vrai ! » Elle part.", 3),
        ("Vers 300 av. J.-C. il mourut. Puis rien.", 2),
        ("¿Qué es? Nadie lo sabe. ¡Basta!", 3),
        ("Он родился в 1900 г. Потом уехал. Всё.", 2),
        ("这是一句。这是第二句！还有吗？", 3),
        ("one line\nanother line", 2),
        ("", 0),
    ],
)
def test_sentences(text: str, expected: int) -> None:
    assert len(sentences(text)) == expected, sentences(text)


@given(st.text(alphabet='abcAB .!?\n"”»。é1', max_size=200))
def test_no_text_is_lost_between_sentences_or_parts(text: str) -> None:
    bare = re.sub(r"\s", "", text)
    assert re.sub(r"\s", "", "".join(sentences(text))) == bare
    assert re.sub(r"\s", "", "".join(pack(text, 20))) == bare


def test_a_long_text_is_packed_below_its_limit() -> None:
    text = " ".join(f"Sentence number {number} stands here." for number in range(50))
    parts = pack(text, 200)
    assert all(len(part) <= 200 for part in parts)
    assert " ".join(parts) == text


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("One is whole. Two is torn", "One is whole."),
        ("All is whole. So is this.", "All is whole. So is this."),
        ("Nothing is", ""),
        ("第一句。第二", "第一句。"),
    ],
)
def test_a_torn_last_sentence_is_cut_off(text: str, whole: str) -> None:
    assert whole_sentences(text) == whole


def test_overlap_is_a_share() -> None:
    assert overlap("one two three four", "zero one two three four five") == 1.0
    assert overlap("one two three four", "four three two one") == 0.0
    assert overlap("", "anything") == 0.0
    assert overlap("一条大河", "这里有一条大河") == 1.0


def test_turns_are_drawn_with_the_odds_of_the_paper() -> None:
    recipe = Recipe.of(
        {"name": "x", "languages": ["en"], "stories": {}, "dialogues": {"least_turns": 2, "most_turns": 6}}
    )
    wanted = [turns_wanted(Passage(id=str(n), language="en", title="", text=""), recipe) for n in range(4000)]
    shares = [wanted.count(turns) / 4000 for turns in range(2, 7)]
    # 0.1; 0.9 * 0.2; 0.72 * 0.4; 0.432 * 0.8; the rest. Three standard errors of the widest are 0.023
    assert shares == pytest.approx([0.1, 0.18, 0.288, 0.3456, 0.0864], abs=0.023)


class _Slow:
    name = "slow"
    identity = {"type": "slow"}  # noqa: RUF012
    concurrency = 4
    steadfast = True

    def __init__(self) -> None:
        self.asked = 0

    async def ask(self, request: Request) -> Reply:
        self.asked += 1
        number = self.asked
        await asyncio.sleep(0.01)
        return Reply(text=f"reply {number}", finish="failed" if request.seed == 9 else "stop")

    async def close(self) -> None: ...


def _request(seed: int) -> Request:
    return Request(
        task="answer",
        language="en",
        messages=(Message(role="user", content="?"),),
        material={},
        tokens=5,
        seed=seed,
    )


def test_one_question_asked_at_once_by_many_is_one_call(tmp_path: Path) -> None:
    async def ask() -> tuple[list[str], int]:
        teacher = _Slow()
        with Store(tmp_path / "store.sqlite") as store:
            desk = Desk(teacher, store)
            replies = await asyncio.gather(*(desk.ask(_request(seed)) for seed in (1, 1, 2, 1)))
            replies.append(await desk.ask(_request(1)))
            await desk.ask(_request(9))
            await desk.ask(_request(9))
            assert len(store) == 2, "a failed reply is not kept"
        return [reply.text for reply in replies], teacher.asked

    texts, asked = asyncio.run(ask())
    assert texts[0] == texts[1] == texts[3] == texts[4] != texts[2]
    assert asked == 4


def test_the_public_names_resolve_and_load_no_client() -> None:
    import subprocess
    import sys

    code = """
import sys, mezzofanti.corpus as corpus
assert not {"openai", "torch", "pyarrow"} & set(sys.modules)
[getattr(corpus, name) for name in corpus.__all__]
assert not {"openai", "torch"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
