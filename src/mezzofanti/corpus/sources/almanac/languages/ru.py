"""Russian: триста четырнадцать; 14 мая 2031 года."""

from __future__ import annotations

import datetime

from mezzofanti.corpus.sources.almanac.language import Language, Phrasings

PHRASINGS = {
    "cardinal": Phrasings(
        seen=(
            "Напиши {number} словами.",
            "Как пишется {number}?",
            "{number} словами, пожалуйста.",
            "Как будет {number} словами?",
        ),
        unseen=("Запиши число {number} прописью.", "Передай число {number} словами."),
    ),
    "date": Phrasings(
        seen=(
            "Напиши дату {date} полностью.",
            "Какая это дата: {date}?",
            "{date} полностью, пожалуйста.",
            "Как пишется дата {date}?",
        ),
        unseen=("Приведи дату {date} в полной форме.", "Какой день обозначает {date}?"),
    ),
}


class Russian(Language):
    """CLDR's ru, with "года" written out."""

    code = "ru"
    locale = "ru"
    phrasings = PHRASINGS

    def date(self, day: datetime.date) -> str:
        return super().date(day).replace("\u202f", " ").replace("\xa0", " ").replace(" г.", " года")


LANGUAGE = Russian()
