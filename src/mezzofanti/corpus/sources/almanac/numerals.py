"""Numbers and ordinals in words, by num2words or by the rules of a language's file."""

from __future__ import annotations

import re

from num2words import num2words

from mezzofanti.corpus.sources.almanac.specification import Numbers, Ordinals, Replacements

__all__ = ["cardinal", "ordinal", "replace", "roman"]


def replace(text: str, replacements: Replacements) -> str:
    """Apply `replacements` in order; no-break spaces become plain ones, which is what people type."""
    text = text.replace("\xa0", " ").replace("\u202f", " ")
    for pattern, new in replacements.items():
        text = re.sub(pattern, new, text)
    return text


def cardinal(rules: Numbers, code: str, number: int) -> str:
    """Spell `number` (0 to 999) as one counts."""
    if rules.engine == "positional":
        return _positional(rules, number)
    return replace(str(num2words(number, lang=code)), rules.replace)


def ordinal(rules: Ordinals, code: str, number: int, counted: str) -> str:
    """Spell the ordinal of `number` (1 to 100), whose cardinal is `counted`, in the masculine."""
    if rules.pattern:
        return rules.pattern.format(cardinal=counted)
    if not rules.words:
        return replace(str(num2words(number, lang=code, to="ordinal")), rules.replace)
    if number in rules.words:
        return rules.words[number]
    return f"{rules.words[number - number % 10]} {rules.words[number % 10]}"


def roman(number: int) -> str:
    """Write `number` (1 to 999) in Roman numerals."""
    steps = {
        900: "CM",
        500: "D",
        400: "CD",
        100: "C",
        90: "XC",
        50: "L",
        40: "XL",
        10: "X",
        9: "IX",
        5: "V",
        4: "IV",
    }
    text = ""
    for value, letters in {**steps, 1: "I"}.items():
        text += letters * (number // value)
        number %= value
    return text


def _positional(rules: Numbers, number: int) -> str:
    """Spell as Chinese does: digits before "hundred" and "ten", and a zero where the tens are skipped."""
    hundreds, rest = divmod(number, 100)
    tens, ones = divmod(rest, 10)
    text = rules.digits[hundreds] + rules.hundred if hundreds else ""
    if hundreds and ones and not tens:
        text += rules.digits[0]
    if tens:
        # Ten to nineteen stand alone without their "one": 十四, but 三百一十四.
        text += rules.ten if tens == 1 and not hundreds else rules.digits[tens] + rules.ten
    return text + (rules.digits[ones] if ones or not number else "")
