"""English, as written in Britain: three hundred and fourteen; 14 May 2031; kilometres."""

from __future__ import annotations

from mezzofanti.corpus.sources.almanac.language import Language, Phrasings

PHRASINGS = {
    "cardinal": Phrasings(
        seen=(
            "Write {number} in words.",
            "How do you spell {number}?",
            "{number} in words, please.",
            "What is {number} in words?",
        ),
        unseen=("Spell out the number {number}.", "Put {number} into words."),
    ),
    "date": Phrasings(
        seen=(
            "Write {date} in full.",
            "Which date is {date}?",
            "{date} in full, please.",
            "How do you write the date {date}?",
        ),
        unseen=("Write out the date {date}.", "What day does {date} stand for?"),
    ),
}


class English(Language):
    """CLDR's en-GB."""

    code = "en"
    locale = "en_GB"
    phrasings = PHRASINGS


LANGUAGE = English()
