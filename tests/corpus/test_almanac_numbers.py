"""Numbers, ordinals, times and units in words: against slow grammars written apart, and against tables."""

from __future__ import annotations

import pytest

from mezzofanti.corpus.sources.almanac.languages import LANGUAGES, load
from mezzofanti.corpus.sources.almanac.numerals import roman


def _words(text: str) -> list[str]:
    return text.split()


ENGLISH = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
ENGLISH_TENS = _words("_ _ twenty thirty forty fifty sixty seventy eighty ninety")
FRENCH = _words(
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize "
    "dix-sept dix-huit dix-neuf"
)
FRENCH_TENS = _words("_ _ vingt trente quarante cinquante soixante soixante quatre-vingt quatre-vingt")
SPANISH = _words(
    "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis "
    "diecisiete dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco "
    "veintiséis veintisiete veintiocho veintinueve"
)
SPANISH_TENS = _words("_ _ _ treinta cuarenta cincuenta sesenta setenta ochenta noventa")
SPANISH_HUNDREDS = _words(
    "_ ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos novecientos"
)
GERMAN = _words(
    "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn "
    "sechzehn siebzehn achtzehn neunzehn"
)
GERMAN_TENS = _words("_ _ zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig")
ITALIAN = _words(
    "zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici "
    "sedici diciassette diciotto diciannove"
)
ITALIAN_TENS = _words("_ _ venti trenta quaranta cinquanta sessanta settanta ottanta novanta")
RUSSIAN = _words(
    "ноль один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать тринадцать "
    "четырнадцать пятнадцать шестнадцать семнадцать восемнадцать девятнадцать"
)
RUSSIAN_TENS = _words("_ _ двадцать тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто")
RUSSIAN_HUNDREDS = _words("_ сто двести триста четыреста пятьсот шестьсот семьсот восемьсот девятьсот")


def english(n: int) -> str:
    if n >= 100:
        return f"{ENGLISH[n // 100]} hundred" + (f" and {english(n % 100)}" if n % 100 else "")
    if n < 20:
        return ENGLISH[n]
    return ENGLISH_TENS[n // 10] + (f"-{ENGLISH[n % 10]}" if n % 10 else "")


def french(n: int) -> str:
    if n >= 100:
        hundreds, rest = divmod(n, 100)
        start = "cent" if hundreds == 1 else f"{FRENCH[hundreds]} cent"
        return f"{start} {french(rest)}" if rest else start + ("s" if hundreds > 1 else "")
    if n < 20:
        return FRENCH[n]
    tens, ones = divmod(n, 10)
    if tens in (7, 9):
        ones += 10
    if ones == 0:
        return FRENCH_TENS[tens] + ("s" if tens == 8 else "")
    if ones in (1, 11) and tens < 8:
        return f"{FRENCH_TENS[tens]} et {FRENCH[ones]}"
    return f"{FRENCH_TENS[tens]}-{FRENCH[ones]}"


def spanish(n: int) -> str:
    if n == 100:
        return "cien"
    if n > 100:
        return SPANISH_HUNDREDS[n // 100] + (f" {spanish(n % 100)}" if n % 100 else "")
    if n < 30:
        return SPANISH[n]
    return SPANISH_TENS[n // 10] + (f" y {SPANISH[n % 10]}" if n % 10 else "")


def german(n: int) -> str:
    def before(n: int) -> str:
        if n >= 100:
            return f"{GERMAN[n // 100]}hundert" + (before(n % 100) if n % 100 else "")
        if n < 20:
            return GERMAN[n]
        return (f"{GERMAN[n % 10]}und" if n % 10 else "") + GERMAN_TENS[n // 10]

    return before(n) + ("s" if n % 100 == 1 else "")


def italian(n: int) -> str:
    def unaccented(n: int) -> str:
        if n >= 100:
            start = ("" if n < 200 else ITALIAN[n // 100]) + "cento"
            rest = n % 100
            if rest == 8 or 80 <= rest < 90:
                start = start[:-1]  # centotto, centottanta
            return start + (unaccented(rest) if rest else "")
        if n < 20:
            return ITALIAN[n]
        start = ITALIAN_TENS[n // 10]
        if n % 10 in (1, 8):
            start = start[:-1]
        return start + (ITALIAN[n % 10] if n % 10 else "")

    text = unaccented(n)
    return f"{text[:-1]}é" if n > 3 and n % 10 == 3 and n % 100 != 13 else text


def russian(n: int) -> str:
    words = [RUSSIAN_HUNDREDS[n // 100]] if n >= 100 else []
    rest = n % 100
    if 0 < rest < 20:
        words.append(RUSSIAN[rest])
    elif rest:
        words += [RUSSIAN_TENS[rest // 10]] + ([RUSSIAN[rest % 10]] if rest % 10 else [])
    return " ".join(words)


def chinese(n: int) -> str:
    digits = "零一二三四五六七八九"
    text = "".join(digits[int(d)] + unit for d, unit in zip(f"{n:03}", "百十_", strict=True)).replace("_", "")
    text = text.replace("零百", "").replace("零十", "零").rstrip("零").lstrip("零")
    return text[1:] if 10 <= n < 20 else text


REFERENCES = {
    "en": english,
    "fr": french,
    "es": spanish,
    "de": german,
    "it": italian,
    "ru": russian,
    "zh": chinese,
}


@pytest.mark.parametrize("code", REFERENCES)
def test_every_number_agrees_with_a_grammar_written_apart(code: str) -> None:
    language = load(code)
    wrong = [
        (language.cardinal(n), REFERENCES[code](n))
        for n in range(1, 1000)
        if language.cardinal(n) != REFERENCES[code](n)
    ]
    assert wrong == []


@pytest.mark.parametrize("code", LANGUAGES)
def test_no_two_numbers_are_spelled_alike(code: str) -> None:
    language = load(code)
    assert len({language.cardinal(n) for n in range(1, 1000)}) == 999
    assert len({language.ordinal(n) for n in range(1, 101)}) == 100


TRICKY = {
    "en": {100: "one hundred", 101: "one hundred and one", 314: "three hundred and fourteen"},
    "fr": {
        21: "vingt et un",
        71: "soixante et onze",
        80: "quatre-vingts",
        81: "quatre-vingt-un",
        91: "quatre-vingt-onze",
        200: "deux cents",
        201: "deux cent un",
        314: "trois cent quatorze",
    },
    "es": {
        16: "dieciséis",
        22: "veintidós",
        100: "cien",
        101: "ciento uno",
        500: "quinientos",
        700: "setecientos",
    },
    "de": {
        1: "eins",
        16: "sechzehn",
        17: "siebzehn",
        21: "einundzwanzig",
        30: "dreißig",
        101: "einhunderteins",
    },
    "it": {
        3: "tre",
        23: "ventitré",
        28: "ventotto",
        108: "centotto",
        113: "centotredici",
        180: "centottanta",
    },
    "ru": {11: "одиннадцать", 14: "четырнадцать", 40: "сорок", 90: "девяносто", 600: "шестьсот"},
    "zh": {
        10: "十",
        14: "十四",
        20: "二十",
        100: "一百",
        101: "一百零一",
        110: "一百一十",
        314: "三百一十四",
    },
}


@pytest.mark.parametrize("code", TRICKY)
def test_tricky_numbers(code: str) -> None:
    assert {n: load(code).cardinal(n) for n in TRICKY[code]} == TRICKY[code]


ORDINALS = {
    "en": {1: "first", 3: "third", 5: "fifth", 12: "twelfth", 20: "twentieth", 42: "forty-second"},
    "fr": {1: "premier", 5: "cinquième", 9: "neuvième", 21: "vingt et unième", 80: "quatre-vingtième"},
    "es": {1: "primero", 11: "undécimo", 12: "duodécimo", 13: "decimotercero", 42: "cuadragésimo segundo"},
    "de": {1: "erste", 3: "dritte", 7: "siebte", 8: "achte", 19: "neunzehnte", 20: "zwanzigste"},
    "it": {1: "primo", 11: "undicesimo", 23: "ventitreesimo", 26: "ventiseiesimo", 100: "centesimo"},
    "ru": {3: "третий", 4: "четвёртый", 40: "сороковой", 90: "девяностый", 100: "сотый"},
    "zh": {1: "第一", 12: "第十二", 100: "第一百"},
}


@pytest.mark.parametrize("code", ORDINALS)
def test_ordinals(code: str) -> None:
    assert {n: load(code).ordinal(n) for n in ORDINALS[code]} == ORDINALS[code]


TIMES = {
    "en": {(3, 0): "three o'clock", (3, 15): "a quarter past three", (12, 45): "a quarter to one"},
    "fr": {(1, 0): "une heure", (3, 30): "trois heures et demie", (3, 45): "quatre heures moins le quart"},
    "es": {(1, 5): "la una y cinco", (3, 30): "las tres y media", (12, 40): "la una menos veinte"},
    "de": {(1, 0): "ein Uhr", (1, 5): "fünf nach eins", (3, 25): "fünf vor halb vier", (12, 30): "halb eins"},
    "it": {(1, 15): "l'una e un quarto", (3, 30): "le tre e mezza", (12, 50): "l'una meno dieci"},
    "ru": {
        (1, 0): "один час",
        (2, 0): "два часа",
        (3, 5): "пять минут четвёртого",
        (12, 35): "без двадцати пяти час",
    },
    "zh": {(2, 0): "两点整", (3, 5): "三点零五分", (12, 15): "十二点一刻"},
}


@pytest.mark.parametrize("code", TIMES)
def test_times(code: str) -> None:
    assert {time: load(code).time(*time) for time in TIMES[code]} == TIMES[code]


COUNTED = {
    "en": {(1, "length-meter"): "one metre", (21, "duration-hour"): "twenty-one hours"},
    "fr": {
        (1, "duration-hour"): "une heure",
        (21, "length-meter"): "vingt et un mètres",
        (31, "duration-week"): "trente et une semaines",
        (80, "duration-day"): "quatre-vingts jours",
    },
    "es": {
        (1, "duration-week"): "una semana",
        (21, "length-meter"): "veintiún metros",
        (21, "duration-hour"): "veintiuna horas",
        (31, "duration-day"): "treinta y un días",
    },
    "de": {
        (1, "duration-hour"): "eine Stunde",
        (1, "mass-kilogram"): "ein Kilogramm",
        (2, "duration-day"): "zwei Tage",
        (21, "length-mile"): "einundzwanzig Meilen",
    },
    "it": {
        (1, "duration-hour"): "un'ora",
        (1, "duration-week"): "una settimana",
        (1, "duration-second"): "un secondo",
        (2, "length-mile"): "due miglia",
        (5, "duration-day"): "cinque giorni",
    },
    "ru": {
        (1, "duration-minute"): "одна минута",
        (2, "duration-week"): "две недели",
        (2, "duration-hour"): "два часа",
        (5, "mass-kilogram"): "пять килограммов",
        (11, "duration-day"): "одиннадцать дней",
        (21, "length-mile"): "двадцать одна миля",
        (22, "mass-gram"): "двадцать два грамма",
    },
    "zh": {
        (2, "length-kilometer"): "两公里",
        (12, "duration-day"): "十二天",
        (5, "duration-month"): "五个月",
    },
}


@pytest.mark.parametrize("code", COUNTED)
def test_a_number_takes_the_gender_and_the_plural_of_its_unit(code: str) -> None:
    assert {key: load(code).counted(*key) for key in COUNTED[code]} == COUNTED[code]


def test_short_forms_of_one_are_like_those_of_others() -> None:
    # Babel answers "1 horas", "1 Meilen" and "1 grammi" where CLDR gives one form for every number.
    assert load("es").measure(1, "duration-hour", "short") == "1 h"
    assert load("de").measure(1, "length-mile", "short") == "1 mi"
    assert load("it").measure(1, "mass-gram", "short") == "1 g"
    assert load("en").measure(1, "duration-day", "short") == "1 day"


@pytest.mark.parametrize(("number", "letters"), [(1, "I"), (49, "XLIX"), (297, "CCXCVII"), (944, "CMXLIV")])
def test_roman_numerals(number: int, letters: str) -> None:
    assert roman(number) == letters
