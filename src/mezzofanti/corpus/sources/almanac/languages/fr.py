"""French, as written in France: soixante-dix, quatre-vingts; 1er mai 2031."""

from __future__ import annotations

import datetime

from mezzofanti.corpus.sources.almanac.language import Language, Phrasings

PHRASINGS = {
    "cardinal": Phrasings(
        seen=(
            "Écris {number} en lettres.",
            "Comment s'écrit {number} ?",
            "{number} en lettres, s'il te plaît.",
            "Que donne {number} en lettres ?",
        ),
        unseen=("Donne le nombre {number} en toutes lettres.", "Transcris {number} en lettres."),
    ),
    "date": Phrasings(
        seen=(
            "Écris la date {date} en entier.",
            "Quelle date est {date} ?",
            "{date} en entier, s'il te plaît.",
            "Comment s'écrit la date {date} ?",
        ),
        unseen=("Rédige la date {date} au complet.", "Quel jour désigne {date} ?"),
    ),
}


class French(Language):
    """CLDR's fr, with "1er" for the first of a month."""

    code = "fr"
    locale = "fr"
    phrasings = PHRASINGS

    def date(self, day: datetime.date) -> str:
        text = super().date(day)
        return "1er" + text[1:] if day.day == 1 else text


LANGUAGE = French()
