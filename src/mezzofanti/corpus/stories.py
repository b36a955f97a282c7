"""One language-agnostic skill: arithmetic stories. A story is numbers, names and things; a language only tells it."""

from __future__ import annotations

import random
from collections.abc import Callable

from babel import Locale

from mezzofanti.corpus.prompts import Thing, load_prompts
from mezzofanti.corpus.teachers.base import stable_seed
from mezzofanti.errors import ConfigurationError
from mezzofanti.records import Record

__all__ = ["KINDS", "Story", "make_stories", "tell"]


class Story(Record):
    """What happens, without words. `name`, `friend` and `thing` are places in the lists of a prompt pack."""

    kind: str
    a: int
    b: int
    c: int
    middle: int
    total: int
    name: int
    friend: int
    thing: int

    @property
    def id(self) -> str:
        """A name that two different stories never share."""
        return f"{self.kind}-{self.a}-{self.b}-{self.c}-{self.name}{self.friend}{self.thing}"


Numbers = tuple[int, int, int, int, int]


def _together(draw: random.Random) -> Numbers:
    a, b = draw.randint(2, 99), draw.randint(2, 99)
    return a, b, 0, 0, a + b


def _taken_away(draw: random.Random) -> Numbers:
    b, total = draw.randint(2, 60), draw.randint(2, 60)
    return b + total, b, 0, 0, total


def _boxes(draw: random.Random) -> Numbers:
    a, b = draw.randint(2, 12), draw.randint(2, 25)
    return a, b, 0, 0, a * b


def _sharing(draw: random.Random) -> Numbers:
    b, total = draw.randint(2, 9), draw.randint(2, 25)
    return b * total, b, 0, 0, total


def _two_steps(draw: random.Random) -> Numbers:
    a, b = draw.randint(2, 60), draw.randint(2, 40)
    c = draw.randint(2, a + b - 2)
    return a, b, c, a + b, a + b - c


KINDS: dict[str, Callable[[random.Random], Numbers]] = {
    "together": _together,
    "giving": _taken_away,
    "boxes": _boxes,
    "sharing": _sharing,
    "two-steps": _two_steps,
    "needing": _taken_away,
}


def make_stories(count: int, seed: int) -> list[Story]:
    """Return `count` different stories, the kinds in turn. `ConfigurationError` where there are not so many."""
    english = load_prompts("en").stories
    draw = random.Random(stable_seed(seed, "stories"))
    found: dict[str, Story] = {}
    for turn in range(20 * count + 100):
        kind = list(KINDS)[turn % len(KINDS)]
        a, b, c, middle, total = KINDS[kind](draw)
        name, friend = draw.sample(range(len(english.names)), 2)
        thing = draw.randrange(len(english.things))
        story = Story(
            kind=kind, a=a, b=b, c=c, middle=middle, total=total, name=name, friend=friend, thing=thing
        )
        found.setdefault(story.id, story)
        if len(found) == count:
            return list(found.values())
    raise ConfigurationError(
        f"There are no {count} different stories.", cure=f"Ask for at most {len(found)}."
    )


def tell(story: Story, language: str) -> dict[str, str]:
    """Return {"question": ..., "answer": ...} in a language, from its templates and its plural rules (CLDR)."""
    stories = load_prompts(language).stories
    thing = stories.things[story.thing]
    counted = {name: getattr(story, name) for name in ("a", "b", "c", "total")}
    fields: dict[str, object] = {
        **counted,
        "middle": story.middle,
        "name": stories.names[story.name],
        "friend": stories.names[story.friend],
        "how_many": thing.how_many,
        **{f"{name}_things": _count(thing, number, language) for name, number in counted.items()},
        "a_boxes": _count(stories.boxes, story.a, language),
        "b_children": _count(stories.children, story.b, language),
    }
    template = stories.kinds[story.kind]
    return {"question": template.question.format(**fields), "answer": template.answer.format(**fields)}


def _count(thing: Thing, number: int, language: str) -> str:
    category = Locale(language).plural_form(number)
    return thing.forms.get(category, thing.forms["other"]).format(n=number)
