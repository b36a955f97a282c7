"""What a build is told: frozen settings, read from YAML, with unknown keys refused by their nearest name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, model_validator

from mezzofanti.corpus.prompts import LANGUAGES
from mezzofanti.errors import nearest
from mezzofanti.files import write_text
from mezzofanti.records import Record
from mezzofanti.settings import read_yaml, validated

__all__ = [
    "AlmanacSource",
    "DialogueSettings",
    "DocumentSource",
    "GuardSettings",
    "OfflineSettings",
    "OpenAISettings",
    "Recipe",
    "StorySettings",
]


class AlmanacSource(Record):
    """Short articles written by a program from CLDR facts. `count` passages a language."""

    type: Literal["almanac"]
    count: int = Field(100, ge=1)


class DocumentSource(Record):
    """Rows of a Parquet or JSONL file with `title` and `text`; `description`, `topic`, `language`, `url` if present.

    `{language}` in `path` stands for the language code. A relative path counts from the recipe's own folder.
    `count` passages a language are drawn by the recipe's seed among those that qualify. A text longer than
    `most_characters` is split between sentences.
    """

    type: Literal["documents"]
    path: str
    source: str = Field(min_length=1)
    license: str = Field(min_length=1)
    count: int | None = Field(None, ge=1)
    leave_out_topics: tuple[str, ...] = ()
    least_characters: int = Field(150, ge=1)
    most_characters: int = Field(4000, ge=200)


class OfflineSettings(Record):
    """The teacher without a model: it extracts sentences and fills frames."""

    type: Literal["offline"] = "offline"


class OpenAISettings(Record):
    """Any server that speaks the OpenAI chat protocol. The key is read from OPENAI_API_KEY by its client, never here.

    `timeout` in seconds for one try; `retries` further tries with growing pauses after 408, 409, 429, 5xx and
    lost connections; `concurrency` calls at once. `extra` are further fields of every request, for what only this
    server knows.
    """

    type: Literal["openai"]
    base_url: str = Field(pattern=r"^https?://\S+$")
    model: str = Field(min_length=1)
    concurrency: int = Field(4, ge=1, le=1024)
    timeout: float = Field(120.0, gt=0)
    retries: int = Field(4, ge=0, le=20)
    temperature: float = Field(0.7, ge=0, le=2)
    extra: dict[str, Any] = Field(default_factory=dict)


class DialogueSettings(Record):
    """How passages become dialogues. One turn is a question with its answer.

    `attempts` is how often a turn that a guard rejects is asked anew. `document` says whether the first
    question shows the passage ("shown", as UltraLink was released) or not ("hidden").
    """

    least_turns: int = Field(3, ge=1, le=12)
    most_turns: int = Field(5, ge=1, le=12)
    attempts: int = Field(2, ge=1, le=10)
    question_tokens: int = Field(120, ge=8)
    answer_tokens: int = Field(600, ge=16)
    document: Literal["shown", "hidden"] = "hidden"

    @model_validator(mode="after")
    def _ordered(self) -> DialogueSettings:
        if self.most_turns < self.least_turns:
            raise ValueError(f"most_turns ({self.most_turns}) is below least_turns ({self.least_turns})")
        return self


class StorySettings(Record):
    """Arithmetic stories: `count` in English, of which each other language gets `share` through translation."""

    count: int = Field(100, ge=1)
    share: float = Field(0.25, gt=0, le=1)
    translation_tokens: int = Field(400, ge=16)


class GuardSettings(Record):
    """Limits of the guards; `mezzofanti.corpus.guards` says what each one measures.

    `grounded_numbers`: an answer may name only numbers of its passage and conversation. Turn it off where answers
    are to reckon or to know more than the passage.
    """

    least_language_probability: float = Field(0.1, ge=0, le=1)
    least_answer_characters: int = Field(10, ge=1)
    grounded_numbers: bool = True
    most_echo: float = Field(0.9, gt=0, le=1)
    least_ratio: float = Field(0.4, gt=0)
    most_ratio: float = Field(2.5, gt=0)


class Recipe(Record):
    """A whole build. `languages` are codes such as "en"; each needs one file in `corpus/prompts/`."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    languages: tuple[str, ...] = Field(min_length=1)
    seed: int = 0
    sources: tuple[Annotated[AlmanacSource | DocumentSource, Field(discriminator="type")], ...] = ()
    teacher: Annotated[OfflineSettings | OpenAISettings, Field(discriminator="type")] = OfflineSettings()
    dialogues: DialogueSettings = DialogueSettings()
    stories: StorySettings | None = None
    guards: GuardSettings = GuardSettings()

    @model_validator(mode="after")
    def _complete(self) -> Recipe:
        for language in self.languages:
            if language not in LANGUAGES:
                raise ValueError(f"language {language!r} is not known; {nearest(language, LANGUAGES)}")
        if len(set(self.languages)) < len(self.languages):
            raise ValueError("a language is named twice")
        if not self.sources and self.stories is None:
            raise ValueError("there is nothing to build: give 'sources', 'stories' or both")
        return self

    @classmethod
    def load(cls, path: Path | str) -> Recipe:
        """Read a YAML recipe. `ConfigurationError` names the key, what was wrong and the nearest known name."""
        return cls.of(read_yaml(path), where=str(path), folder=Path(path).resolve().parent)

    @classmethod
    def of(cls, settings: Any, *, where: str = "The recipe", folder: Path | None = None) -> Recipe:
        """Make a recipe from a mapping; relative paths of documents count from `folder`."""
        recipe = validated(cls, settings, where)
        return recipe.anchored(folder) if folder else recipe

    def anchored(self, folder: Path) -> Recipe:
        """Return the same recipe with paths of documents made absolute, counted from `folder`."""
        sources = tuple(
            source.model_copy(update={"path": str(folder / source.path)})
            if isinstance(source, DocumentSource)
            else source
            for source in self.sources
        )
        return self.model_copy(update={"sources": sources})

    def save(self, path: Path | str) -> None:
        """Write the resolved recipe as YAML."""
        text = yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        write_text(path, text)
