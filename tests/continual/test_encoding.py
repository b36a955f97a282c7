"""What of a conversation is learned: the assistant's words and the stop token, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import tiny
import tiny_school as school

from mezzofanti.continual.encoding import CHATML, IGNORE, encode, encode_messages, use_training_template
from mezzofanti.errors import ConfigurationError, DataError
from mezzofanti.evaluation.generation import answer
from mezzofanti.records import Lineage, Message, Sample

ASKED = {"role": "user", "content": "Write 314 in words"}
SAID = {"role": "assistant", "content": "three hundred and fourteen"}
TALK = [
    {"role": "system", "content": "Be brief."},
    ASKED,
    SAID,
    {"role": "user", "content": "Écrivez 7 en lettres"},
    {"role": "assistant", "content": "sept, à peu près 七"},
]


def learned_text(tokenizer: Any, row: dict[str, Any]) -> str:
    return str(tokenizer.decode([label for label in row["labels"] if label != IGNORE]))


@pytest.mark.parametrize(
    "template", [tiny.CHATML, tiny.MARKED_CHATML, CHATML], ids=["plain", "marked", "ours"]
)
def test_answers_and_the_stop_token_are_learned_and_nothing_else(template: str) -> None:
    tokenizer = tiny.tiny_tokenizer(template)
    use_training_template(tokenizer)
    row = encode_messages(TALK, tokenizer)
    said = [turn["content"] + "<|im_end|>" for turn in TALK if turn["role"] == "assistant"]
    assert learned_text(tokenizer, row) == "".join(said)
    assert all(label in (token, IGNORE) for token, label in zip(row["input_ids"], row["labels"], strict=True))
    whole = "".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in TALK)
    assert tokenizer.decode(row["input_ids"]) == whole


def test_an_exam_asks_exactly_as_lessons_did(tiny_model: Any, tiny_tokenizer: Any) -> None:
    use_training_template(tiny_tokenizer)
    row = encode_messages([ASKED, SAID], tiny_tokenizer)
    first = next(index for index, label in enumerate(row["labels"]) if label != IGNORE)
    seen: list[Any] = []
    tiny_model.register_forward_pre_hook(
        lambda _, __, named: seen.append(named["input_ids"]), with_kwargs=True
    )
    answer(tiny_model, tiny_tokenizer, [ASKED["content"]], max_new_tokens=1)
    assert seen[0].tolist() == [row["input_ids"][:first]]


def test_where_the_template_comes_from_is_said() -> None:
    marked = tiny.tiny_tokenizer(tiny.MARKED_CHATML)
    assert use_training_template(marked) == "the base's own"
    assert marked.chat_template == tiny.MARKED_CHATML
    plain = tiny.tiny_tokenizer(tiny.CHATML)
    assert use_training_template(plain) == "ChatML without a default system prompt"
    assert use_training_template(plain) == "the base's own"


@pytest.mark.parametrize(
    "template", ["", "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}{% endfor %}"]
)
def test_a_template_that_cannot_be_marked_is_refused(template: str) -> None:
    tokenizer = tiny.tiny_tokenizer(template)
    with pytest.raises(ConfigurationError, match="chat template") as caught:
        use_training_template(tokenizer)
    assert caught.value.cure


@pytest.mark.parametrize("talk", [[ASKED], [TALK[0], ASKED]])
def test_a_row_with_nothing_to_learn_is_an_error(talk: list[dict[str, str]], tiny_tokenizer: Any) -> None:
    use_training_template(tiny_tokenizer)
    with pytest.raises(DataError, match="no assistant turn"):
        encode_messages(talk, tiny_tokenizer)


def sample(words: str) -> Sample:
    talk = (Message(role="user", content="?"), Message(role="assistant", content=words))
    return Sample(id=words[:9], language="en", skill="", messages=talk, lineage=Lineage(source="tests"))


def test_too_long_rows_are_left_out_whole_and_counted(tiny_tokenizer: Any) -> None:
    use_training_template(tiny_tokenizer)
    fits = len(encode([sample("fits")], tiny_tokenizer, max_length=512)[0][0]["input_ids"])
    rows, dropped = encode(
        [sample("fits"), sample("longer by far"), sample("fit")], tiny_tokenizer, max_length=fits
    )
    assert ([len(row["input_ids"]) for row in rows], dropped) == ([fits, fits - 1], 1)
    assert encode([], tiny_tokenizer, max_length=8) == ([], 0)
    with pytest.raises(DataError, match=r"All 2 rows are longer than max_length=9.*Raise max_length"):
        encode([sample("fits"), sample("fit")], tiny_tokenizer, max_length=9)


def test_rows_of_a_task_are_encoded_in_their_order(tiny_tokenizer: Any) -> None:
    use_training_template(tiny_tokenizer)
    rows, _ = encode(school.task("one", rows=3).train, tiny_tokenizer, max_length=64)
    assert [
        f"one {number}?" in tiny_tokenizer.decode(row["input_ids"]) for number, row in enumerate(rows)
    ] == [True] * 3
