"""German, as written in Germany: dreihundertvierzehn; 14. Mai 2031."""

from __future__ import annotations

from mezzofanti.corpus.sources.almanac.language import Language, Phrasings

PHRASINGS = {
    "cardinal": Phrasings(
        seen=(
            "Schreibe {number} in Worten.",
            "Wie schreibt man {number}?",
            "{number} in Worten, bitte.",
            "Wie lautet {number} in Worten?",
        ),
        unseen=("Schreibe die Zahl {number} aus.", "Drücke {number} in Worten aus."),
    ),
    "date": Phrasings(
        seen=(
            "Schreibe das Datum {date} aus.",
            "Welches Datum ist {date}?",
            "{date} ausgeschrieben, bitte.",
            "Wie schreibt man das Datum {date}?",
        ),
        unseen=("Gib das Datum {date} vollständig an.", "Welchen Tag bezeichnet {date}?"),
    ),
}


class German(Language):
    """CLDR's de."""

    code = "de"
    locale = "de"
    phrasings = PHRASINGS


LANGUAGE = German()
