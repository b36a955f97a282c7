"""The prompt packs of all languages say the same: equal keys, equal lengths of lists, equal placeholders."""

from __future__ import annotations

from importlib.resources import files

import pytest
import yaml

from mezzofanti.corpus.prompts import LANGUAGES, load_prompts, placeholders
from mezzofanti.corpus.stories import KINDS
from mezzofanti.corpus.text import letters, script
from mezzofanti.errors import ConfigurationError

OTHERS = [language for language in LANGUAGES if language != "en"]


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_the_places_and_placeholders_of_english(language: str) -> None:
    assert placeholders(load_prompts(language)) == placeholders(load_prompts("en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_pack_is_written_in_its_own_language(language: str) -> None:
    pack = load_prompts(language)
    assert pack.language == language
    expected = {"ru": "CYRILLIC", "zh": "CJK"}.get(language, "LATIN")
    prompts = pack.dialogue.model_dump().values()
    text = pack.translate.system + "".join(prompt["system"] for prompt in prompts)
    found = [script(char) for char in letters(text)]
    assert found.count(expected) / len(found) > 0.95


@pytest.mark.parametrize("language", LANGUAGES)
def test_phrases_are_lower_case_and_stories_have_every_kind(language: str) -> None:
    pack = load_prompts(language)
    assert all(phrase == phrase.lower() for kind in pack.phrases.model_dump().values() for phrase in kind)
    assert list(pack.stories.kinds) == list(KINDS)
    assert all("{n}" in form for thing in pack.stories.things for form in thing.forms.values())
    assert all(
        "other" in thing.forms for thing in (*pack.stories.things, pack.stories.boxes, pack.stories.children)
    )


def test_a_lost_placeholder_is_seen() -> None:
    """The comparison itself can fail."""
    content = yaml.safe_load(files("mezzofanti.corpus.prompts").joinpath("fr.yaml").read_text("utf-8"))
    content["dialogue"]["answer"]["user"] = content["dialogue"]["answer"]["user"].replace("{question}", "")
    from mezzofanti.corpus.prompts import PromptPack

    assert placeholders(PromptPack.model_validate(content)) != placeholders(load_prompts("en"))


def test_every_file_is_a_known_language_and_no_other_is_loaded() -> None:
    found = {
        path.name for path in files("mezzofanti.corpus.prompts").iterdir() if path.name.endswith(".yaml")
    }
    assert found == {f"{language}.yaml" for language in LANGUAGES}
    with pytest.raises(ConfigurationError, match="'fr'"):
        load_prompts("frr")
