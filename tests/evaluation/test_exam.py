"""An exam asks every question of every paper and scores each answer by its own scorer."""

from __future__ import annotations

from typing import Any

import pytest

from mezzofanti.evaluation import exam
from mezzofanti.evaluation.exam import Answer, beyond, examine, group_scores, score
from mezzofanti.evaluation.questions import Question

PAPERS = {
    "numbers": [
        Question(id="n1", prompt="7 in words", reference="seven"),
        Question(id="n2", prompt="8 in figures", reference="8", scorer="number", group="unseen-phrasing"),
    ],
    "names": [Question(id="m1", prompt="capital?", reference="Paris", scorer="label", group="recall")],
}
SAID = {"7 in words": "Seven", "8 in figures": "It is 8.", "capital?": "London"}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the model was asked. It answers as `SAID` says."""
    seen: list[dict[str, Any]] = []

    def answer(model: Any, tokenizer: Any, prompts: list[str], **settings: Any) -> list[str]:
        seen.append({"prompts": prompts, **settings})
        return [SAID[prompt] for prompt in prompts]

    monkeypatch.setattr(exam, "answer", answer)
    return seen


def test_every_question_is_asked_once_and_scored_by_its_own_scorer(
    asked: list[dict[str, Any]], tiny_tokenizer: Any
) -> None:
    answers = examine(None, tiny_tokenizer, PAPERS)
    assert asked[0]["prompts"] == list(SAID)
    assert [(a.task, a.id, a.answer, a.score, a.group) for a in answers] == [
        ("numbers", "n1", "Seven", 1.0, "derivable"),
        ("numbers", "n2", "It is 8.", 1.0, "unseen-phrasing"),
        ("names", "m1", "London", 0.0, "recall"),
    ]
    assert [(a.prompt, a.reference) for a in answers] == [
        (q.prompt, q.reference) for p in PAPERS.values() for q in p
    ]


@pytest.mark.parametrize(("most", "expected"), [(48, len("seven") + 4), (3, 3)])
def test_an_answer_gets_four_tokens_more_than_the_longest_reference(
    most: int, expected: int, asked: list[dict[str, Any]], tiny_tokenizer: Any
) -> None:
    examine(None, tiny_tokenizer, PAPERS, max_new_tokens=most, batch_size=2)
    assert (asked[0]["max_new_tokens"], asked[0]["batch_size"]) == (expected, 2)


def test_an_answer_is_one_line_only_where_every_right_answer_is(
    asked: list[dict[str, Any]], tiny_tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    poem = "roses are red\nviolets are blue"
    lines = [
        Question(id="p1", prompt="poem?", reference=poem, scorer="label"),
        Question(id="p2", prompt="word?", reference="rose\n", scorer="chrf"),
    ]
    monkeypatch.setitem(SAID, "poem?", poem)
    monkeypatch.setitem(SAID, "word?", "rose")
    seen: list[tuple[int, int]] = []
    answers = examine(
        None,
        tiny_tokenizer,
        {"names": PAPERS["names"], "poems": lines, "numbers": PAPERS["numbers"]},
        max_new_tokens=100,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert [(call["prompts"], call["one_line"]) for call in asked] == [
        (["capital?", "7 in words", "8 in figures"], True),
        (["poem?", "word?"], False),
    ]
    assert [call["max_new_tokens"] for call in asked] == [len("seven") + 4, len(poem) + 4]
    assert [(a.id, a.score) for a in answers] == [("m1", 0), ("p1", 1), ("p2", 1), ("n1", 1), ("n2", 1)]
    for call in asked:
        call["progress"](len(call["prompts"]), len(call["prompts"]))
    assert seen == [(3, 5), (5, 5)]


def test_right_answers_that_are_longer_than_an_answer_may_be_are_counted(tiny_tokenizer: Any) -> None:
    assert beyond(tiny_tokenizer, PAPERS, 5) == {}
    assert beyond(tiny_tokenizer, PAPERS, 4) == {"numbers": 1, "names": 1}


def test_a_system_turn_is_asked_kept_and_left_out_where_there_is_none(
    asked: list[dict[str, Any]], tiny_tokenizer: Any
) -> None:
    plain = PAPERS["numbers"][0]
    spoken = plain.model_copy(update={"id": "s1", "system": "Answer in English."})
    answers = examine(None, tiny_tokenizer, {"numbers": [plain, spoken]})
    assert asked[0]["systems"] == ["", "Answer in English."]
    assert [answer.system for answer in answers] == ["", "Answer in English."]
    written = [answer.model_dump(mode="json") for answer in answers]
    assert "system" not in written[0]
    assert "system" not in plain.model_dump(mode="json")
    assert written[1]["system"] == "Answer in English."
    assert [Answer.model_validate(row) for row in written] == answers
    assert Question.model_validate(spoken.model_dump(mode="json")) == spoken


def test_groups_are_never_averaged_together(asked: list[dict[str, Any]], tiny_tokenizer: Any) -> None:
    answers = examine(None, tiny_tokenizer, PAPERS)
    assert score(answers, "numbers") == 1.0
    assert score(answers, "names") is None
    assert group_scores(answers) == {
        "numbers": {"derivable": 1.0, "unseen-phrasing": 1.0},
        "names": {"recall": 0.0},
    }


def test_a_score_is_the_mean_of_its_answers() -> None:
    def one(number: int, worth: float) -> Answer:
        empty = dict.fromkeys(("prompt", "reference", "answer"), "")
        return Answer(task="t", id=str(number), score=worth, group="derivable", **empty)

    assert score([one(1, 1.0), one(2, 0.0), one(3, 0.5)], "t") == pytest.approx(0.5)
    assert score([one(1, 0.0)], "t") == 0.0


def test_an_exam_without_questions_is_over_at_once(tiny_model: Any, tiny_tokenizer: Any) -> None:
    assert examine(tiny_model, tiny_tokenizer, {}) == []


def test_a_real_model_sits_the_exam(tiny_model: Any, tiny_tokenizer: Any) -> None:
    seen: list[tuple[int, int]] = []
    answers = examine(
        tiny_model,
        tiny_tokenizer,
        PAPERS,
        batch_size=2,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert [a.id for a in answers] == ["n1", "n2", "m1"]
    assert all(0 <= a.score <= 1 for a in answers)
    assert seen == [(2, 3), (3, 3)]
