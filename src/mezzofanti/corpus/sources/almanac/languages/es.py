"""Spanish, as written in Spain: trescientos catorce; 14 de mayo de 2031."""

from __future__ import annotations

from mezzofanti.corpus.sources.almanac.language import Language, Phrasings

PHRASINGS = {
    "cardinal": Phrasings(
        seen=(
            "Escribe {number} en letras.",
            "¿Cómo se escribe {number}?",
            "{number} en letras, por favor.",
            "¿Cómo se dice {number}?",
        ),
        unseen=("Pon en letras el número {number}.", "Pasa {number} a palabras."),
    ),
    "date": Phrasings(
        seen=(
            "Escribe la fecha {date} completa.",
            "¿Qué fecha es {date}?",
            "La fecha {date} completa, por favor.",
            "¿Cómo se escribe la fecha {date}?",
        ),
        unseen=("Indica la fecha {date} en su forma completa.", "¿Qué día indica {date}?"),
    ),
}


class Spanish(Language):
    """CLDR's es."""

    code = "es"
    locale = "es"
    phrasings = PHRASINGS


LANGUAGE = Spanish()
