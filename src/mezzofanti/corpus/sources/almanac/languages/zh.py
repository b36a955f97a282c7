"""Chinese in simplified characters: 三百一十四; 2031年5月14日."""

from __future__ import annotations

from mezzofanti.corpus.sources.almanac.language import Language, Phrasings

_DIGITS = "零一二三四五六七八九"

PHRASINGS = {
    "cardinal": Phrasings(
        seen=(
            "用汉字写出{number}。",
            "{number}用汉字怎么写？",
            "请用汉字写{number}。",
            "{number}的中文写法是什么？",
        ),
        unseen=("把数字{number}写成汉字。", "{number}用中文数字如何表示？"),
    ),
    "date": Phrasings(
        seen=(
            "写出完整日期：{date}。",
            "{date}是哪一天？",
            "请完整写出{date}。",
            "日期{date}怎么写？",
        ),
        unseen=("把{date}写成中文日期。", "{date}表示哪年哪月哪日？"),
    ),
}


class Chinese(Language):
    """CLDR's zh (simplified). Numbers are spelled here: num2words has no Chinese numerals of its own."""

    code = "zh"
    locale = "zh"
    phrasings = PHRASINGS

    def cardinal(self, number: int) -> str:
        hundreds, rest = divmod(number, 100)
        tens, ones = divmod(rest, 10)
        text = f"{_DIGITS[hundreds]}百" if hundreds else ""
        if hundreds and rest and not tens:
            text += "零"
        if tens:
            # Ten to nineteen stand alone without their "one": 十四, but 三百一十四.
            text += "十" if tens == 1 and not hundreds else f"{_DIGITS[tens]}十"
        return text + (_DIGITS[ones] if ones or not number else "")


LANGUAGE = Chinese()
