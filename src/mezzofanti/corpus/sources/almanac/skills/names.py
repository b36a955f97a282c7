"""Names of countries, languages and currencies, by their codes: DE -> Germany, de -> German, EUR -> Euro.

Nobody can derive a name from two letters, so these skills are examined apart, as recall.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from mezzofanti.corpus.sources.almanac.language import Language
from mezzofanti.corpus.sources.almanac.skills.base import Skill

__all__ = ["Country", "Currency", "Tongue"]


class _Name(Skill):
    """What a standard's code stands for."""

    derivable = False
    codes: ClassVar[str]

    def arguments(self) -> Sequence[str]:
        return self.codes.split()

    def fields(self, language: Language, arguments: str) -> Mapping[str, str]:
        return {"code": arguments}


class Country(_Name):
    """A country by its ISO 3166 code."""

    name = "country"
    codes = (
        "AD AE AF AL AM AO AR AT AU AZ BA BD BE BG BO BR BW BY CA CH CL CM CN CO CR CU CY CZ DE DK DO DZ EC EE EG "
        "ES ET FI FR GB GE GH GR GT HN HR HU ID IE IL IN IQ IR IS IT JM JO JP KE KH KP KR KW KZ LA LB LK LT LU LV "
        "LY MA MC MD ME MG MK ML MN MT MX MY MZ NA NE NG NI NL NO NP NZ OM PA PE PH PK PL PT PY QA RO RS RU SA SD "
        "SE SG SI SK SN SO SV SY TH TJ TM TN TR TZ UA UG US UY UZ VE VN YE ZA ZM ZW"
    )

    def answer(self, language: Language, arguments: str) -> str:
        return language.country(arguments)


class Tongue(_Name):
    """A language by its ISO 639 code."""

    name = "language"
    codes = (
        "af am ar az be bg bn bs ca cs cy da de el en eo es et eu fa fi fr ga gl gu ha he hi hr hu hy id is it ja "
        "ka kk km kn ko ky la lb lo lt lv mg mi mk ml mn mr ms mt my ne nl no pa pl ps pt ro ru si sk sl so sq sr "
        "sv sw ta te tg th tk tr tt uk ur uz vi yo zh zu"
    )

    def answer(self, language: Language, arguments: str) -> str:
        return language.language(arguments)


class Currency(_Name):
    """A currency by its ISO 4217 code."""

    name = "currency"
    codes = (
        "AED ALL AMD ARS AUD AZN BAM BDT BRL BWP BYN CAD CHF CLP CNY COP CRC CUP CZK DKK DOP DZD EGP ETB EUR GBP "
        "GEL GHS GTQ HNL HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KHR KRW KWD KZT LAK LBP LKR MAD MDL MGA MKD "
        "MNT MXN MYR MZN NGN NOK NPR NZD OMR PEN PHP PKR PLN PYG QAR RON RSD RUB SAR SEK SGD SYP THB TJS TND TRY "
        "TZS UAH UGX USD UYU UZS VND YER ZAR ZMW"
    )

    def answer(self, language: Language, arguments: str) -> str:
        return language.currency(arguments)
