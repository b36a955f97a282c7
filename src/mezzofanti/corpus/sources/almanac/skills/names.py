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
        "AD AE AF AL AM AO AR AT AU AZ BA BB BD BE BF BG BH BI BJ BN BO BR BS BT BW BY BZ CA CF CH CL CM CN "
        "CO CR CU CV CY CZ DE DJ DK DM DO DZ EC EE EG ER ES ET FI FJ FM FR GA GB GD GE GH GM GN GQ GR GT GW "
        "GY HN HR HT HU ID IE IL IN IQ IR IS IT JM JO JP KE KH KI KM KP KR KW KZ LA LB LI LK LR LS LT LU LV "
        "LY MA MC MD ME MG MK ML MN MR MT MU MV MW MX MY MZ NA NE NG NI NL NO NP NR NZ OM PA PE PH PK PL PT "
        "PW PY QA RO RS RU RW SA SD SE SG SI SK SM SN SO SR SV SY SZ TD TG TH TJ TM TN TO TR TV TZ UA UG US "
        "UY UZ VA VE VN VU WS YE ZA ZM ZW"
    )

    def answer(self, language: Language, arguments: str) -> str:
        return language.country(arguments)


class Tongue(_Name):
    """A language by its ISO 639 code."""

    name = "language"
    codes = (
        "af am ar as ast ay az be bg bm bn bo br bs ca ce ceb co cs cy da de dv dz ee el en eo es et eu fa fi "
        "fil fo fr fy ga gl gn gu gv ha haw he hi hr ht hu hy id ig io is it ja jv ka kk kl km kn ko ku kw ky "
        "la lb lg ln lo lt lv mg mi mk ml mn mr ms mt my ne nl no ny om pa pl ps pt qu rm ro ru rw sa sc scn "
        "sd se sg si sk sl sm sn so sq sr st su sv sw ta te tg th ti tk tn to tr ts tt ug uk ur uz vi wa wo "
        "xh yi yo zh zu"
    )

    def answer(self, language: Language, arguments: str) -> str:
        return language.language(arguments)


class Currency(_Name):
    """A currency by its ISO 4217 code."""

    name = "currency"
    codes = (
        "AED ALL AMD ARS AUD AZN BAM BBD BDT BHD BIF BMD BND BRL BSD BWP BYN BZD CAD CDF CHF CLP CNY COP CRC "
        "CUP CVE CZK DJF DKK DOP DZD EGP ETB EUR FJD GBP GEL GHS GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR "
        "IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK "
        "MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON "
        "RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SOS SRD SYP SZL THB TJS TMT TND TOP TRY TWD TZS UAH UGX USD "
        "UYU UZS VND VUV WST YER ZAR ZMW"
    )

    def answer(self, language: Language, arguments: str) -> str:
        return language.currency(arguments)
