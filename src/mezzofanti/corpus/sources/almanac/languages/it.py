"""Italian: trecentoquattordici; 14 maggio 2031."""

from __future__ import annotations

from mezzofanti.corpus.sources.almanac.language import Language, Phrasings

PHRASINGS = {
    "cardinal": Phrasings(
        seen=(
            "Scrivi {number} in lettere.",
            "Come si scrive {number}?",
            "{number} in lettere, per favore.",
            "Come si dice {number}?",
        ),
        unseen=("Riporta in lettere il numero {number}.", "Trascrivi {number} in parole."),
    ),
    "date": Phrasings(
        seen=(
            "Scrivi la data {date} per esteso.",
            "Che data è {date}?",
            "{date} per esteso, per favore.",
            "Come si scrive la data {date}?",
        ),
        unseen=("Riporta la data {date} in forma completa.", "Quale giorno indica {date}?"),
    ),
}


class Italian(Language):
    """CLDR's it."""

    code = "it"
    locale = "it"
    phrasings = PHRASINGS


LANGUAGE = Italian()
