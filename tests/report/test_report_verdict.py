"""The verdict says what the numbers say, and no more; errors agree with simulation."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezzofanti.report.asked import ask
from mezzofanti.report.comparison import compared
from mezzofanti.report.figures import spread
from mezzofanti.report.names import duration, labels, language_code, moments, task_name, task_noun
from mezzofanti.report.precision import backward_transfer, overall_performance, proportion
from mezzofanti.report.reading import Answer, Reading, read_learner, read_learners
from mezzofanti.report.verdict import verdict

Maker = Callable[..., Path]


def reading(method: str, rows: list[list[float | None]], **options: object) -> Reading:
    """A learner in memory, of as many tasks as a row has columns."""
    tasks = ("english", "french", "spanish", "german")[: len(rows[0])]
    known = {"adapter": "lora", "seed": 0, "tasks": tasks, "questions": (30,) * len(tasks), **options}
    return Reading(Path(method), method, rows=tuple(map(tuple, rows)), **known)  # type: ignore[arg-type]


def test_the_verdict_of_the_school(school: list[Path]) -> None:
    said = verdict(read_learners(school))
    assert said.headline == "Sequential lost its English. Replay and Recurrent-KIF kept theirs."
    assert said.numbers.replace("\u00a0", " ") == (
        "After three languages, Sequential answers 0 % of its English questions, Replay 97 %, Recurrent-KIF 95 %. "
        "Right after the English lessons it was 93 %."
    )
    assert "Recurrent-KIF does not beat Replay here" in said.comparisons[1]
    assert "cannot be told apart" in said.comparisons[1]
    assert "30 questions and one seed: its standard error is up to 9 points" in said.caution


def exam(right: dict[str, set[int]], questions: int = 30) -> tuple[Answer, ...]:
    """The last exam: by task, the numbers of the questions that were answered rightly."""
    return tuple(
        Answer(
            task=task,
            id=str(number),
            prompt="?",
            reference="a",
            answer="a" if number in numbers else "b",
            score=float(number in numbers),
        )
        for task, numbers in right.items()
        for number in range(questions)
    )


def against_replay(mine: set[int], its: set[int], questions: int = 30) -> str:
    """What is said of Recurrent-KIF, which answers `mine` of both tasks' questions rightly, and of Replay."""
    known = []
    for method, right in (("replay", its), ("recurrent-kif", mine)):
        score = len(right) / questions
        exams = ((), (), exam({"english": right, "french": right}, questions))
        rows: list[list[float | None]] = [[0, 0], [1, 0], [score, score]]
        known.append(reading(method, rows, exams=exams, questions=(questions, questions)))
    return verdict(known).comparisons[-1].replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("mine", "its", "expected"),
    [
        (
            range(27),
            range(15),
            r"Recurrent-KIF beats Replay here by 40 points \(95 % interval: 2\d points above",
        ),
        (
            range(15),
            range(27),
            r"does not beat Replay here: Replay ends above it by 40 points \(95 % interval",
        ),
        (
            range(24),
            range(24),
            r"does not beat .* level with it, and the two cannot be told apart .* level to level",
        ),
        (
            range(10, 30),
            range(22),
            r"does not beat Replay here: it ends below it by 7 points, and the two cannot",
        ),
        (range(25), range(24), r"does not beat .* above it by 3 points, and the two cannot be told apart"),
    ],
)
def test_recurrent_kif_against_replay(mine: range, its: range, expected: str) -> None:
    assert re.search(expected, against_replay(set(mine), set(its)))


def test_one_standard_error_is_not_enough_to_beat() -> None:
    mine, its = proportion(0.5, 60), proportion(0.4, 60)
    assert (mine - its).clear
    said = against_replay(set(range(15)), set(range(18, 30)))
    assert (
        "does not beat Replay here: it ends above it by 10 points, and the two cannot be told apart" in said
    )
    assert re.search(r"interval: \d+ points below to \d+ points above", said)


def test_the_comparison_is_of_op_whatever_the_tasks_weigh() -> None:
    mine = exam({"english": {0, 1, 2, 3, 4, 5}}, 10) + exam({"french": {0}}, 2)
    its = exam({"english": {0, 1}}, 10) + exam({"french": {0, 1}}, 2)
    rows: list[list[list[float | None]]] = [[[0, 0], [1, 0], [0.6, 0.5]], [[0, 0], [1, 0], [0.2, 1]]]
    one, other = (
        reading(method, known, exams=((), (), answers), questions=(10, 2))
        for method, known, answers in zip(("recurrent-kif", "replay"), rows, (mine, its), strict=True)
    )
    found = compared(one, other)
    assert found is not None
    assert found.difference == pytest.approx((0.6 + 0.5) / 2 - (0.2 + 1) / 2)


def test_where_the_answers_were_not_kept_nothing_is_claimed() -> None:
    rows: list[list[float | None]] = [[0, 0], [1, 0], [0.9, 0.9]]
    low: list[list[float | None]] = [[0, 0], [1, 0], [0.1, 0.1]]
    said = verdict([reading("replay", low), reading("recurrent-kif", rows)]).comparisons[-1]
    assert said.startswith("Whether Recurrent-KIF beats Replay here cannot be told")


def test_only_one_and_the_same_adapter_and_seed_are_compared() -> None:
    rows: list[list[float | None]] = [[0, 0], [1, 0], [0.9, 0.9]]
    said = verdict([reading("replay", rows), reading("recurrent-kif", rows, adapter="malora")])
    assert not any("beat" in line for line in said.comparisons)
    assert [line.split(":")[0].split("with ")[1] for line in said.comparisons] == ["LoRA", "MALoRA"]
    assert not any(
        "beat" in line
        for line in verdict([reading("replay", rows), reading("recurrent-kif", rows, seed=1)]).comparisons
    )


@pytest.mark.parametrize(
    ("rows", "headline"),
    [
        ([[0, 0], [0.9, 0], [0.9, 0.9]], "Sequential kept its English."),
        ([[0, 0], [0.9, 0], [0.87, 0.9]], "Sequential kept its English."),
        ([[0, 0], [0.9, 0], [0.6, 0.9]], "Sequential lost part of its English."),
        ([[0, 0], [0.9, 0], [0.1, 0.9]], "Sequential lost its English."),
        ([[0.5, 0], [0.5, 0], [0.5, 0.9]], "Sequential did not learn its English."),
        ([[0, 0], [None, 0], [0.5, 0.9]], "Sequential was not examined on its English."),
        ([[0], [0.9]], "Sequential learned its English."),
        ([[0, 0], [0.9, 0]], "Still learning."),
    ],
)
def test_what_became_of_the_first_task(rows: list[list[float | None]], headline: str) -> None:
    assert verdict([reading("sequential", rows)]).headline == headline


def test_a_task_that_is_no_language_is_nobodys() -> None:
    known = [
        reading(method, rows, tasks=("sst-2", "cb"))
        for method, rows in (
            ("sequential", [[0, 0], [0.9, 0], [0, 1]]),
            ("replay", [[0, 0], [0.9, 0], [0.9, 1]]),
        )
    ]
    said = verdict(known)
    assert said.headline == "Sequential lost sst-2. Replay kept it."
    assert said.numbers.startswith("After two tasks, Sequential answers 0\u00a0% of the sst-2 questions")


def test_a_running_learner_is_named_and_left_out(learner: Maker) -> None:
    said = verdict(read_learners([learner("sequential"), learner("replay", done=1)]))
    assert said.headline == "Sequential lost its English."
    assert "Replay is at 1 of 3 tasks." in said.numbers


def test_op_and_bwt_by_hand() -> None:
    known = reading("replay", [[0, 0, 0], [0.9, 0, 0], [0.6, 0.5, 0], [0.3, 0.7, 0.8]])
    overall, backward = overall_performance(known), backward_transfer(known)
    assert overall is not None
    assert backward is not None
    assert overall.value == pytest.approx((0.3 + 0.7 + 0.8) / 3)
    assert overall.error == pytest.approx(math.sqrt((0.21 + 0.21 + 0.16) / 30) / 3)
    assert backward.value == pytest.approx(((0.3 - 0.9) + (0.7 - 0.5)) / 2)
    assert backward.error == pytest.approx(math.sqrt((0.21 + 0.09 + 0.21 + 0.25) / 30) / 2)


def test_one_task_has_no_backward_transfer() -> None:
    assert backward_transfer(reading("replay", [[0], [0.9]])) is None


def test_the_standard_error_is_what_repeated_exams_show() -> None:
    draw = random.Random(0)
    scores = [sum(draw.random() < 0.3 for _ in range(40)) / 40 for _ in range(4000)]
    mean = sum(scores) / len(scores)
    spread_seen = math.sqrt(sum((score - mean) ** 2 for score in scores) / len(scores))
    assert proportion(0.3, 40).error == pytest.approx(spread_seen, rel=0.05)


@given(st.integers(1, 500), st.data())
def test_no_exam_is_certain(questions: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, questions))
    known = proportion(right / questions, questions)
    assert 0 < known.error <= 0.5
    assert known.error == pytest.approx(proportion(1 - right / questions, questions).error)


@given(st.lists(st.floats(0, 100), max_size=6))
def test_labels_are_spread_without_overlap(wanted: list[float]) -> None:
    places = sorted(spread(wanted, 13, 100))
    assert all(b - a >= 13 - 1e-6 for a, b in pairwise(places))
    assert all(place <= 100 for place in places)
    apart = sorted(wanted)
    if all(b - a >= 13 for a, b in pairwise(apart)):
        assert spread(wanted, 13, 100) == pytest.approx(wanted)


def test_names() -> None:
    assert [language_code(task) for task in ("english", "fr", "chinese", "spanish-leads", "sst-2", "cb")] == [
        "en",
        "fr",
        "zh",
        "es",
        "",
        "",
    ]
    assert [task_name(task) for task in ("english", "fr", "sst-2")] == ["English", "fr", "sst-2"]
    assert moments(["english", "sst-2"]) == ["before", "after English", "after sst-2"]
    assert task_noun(["english", "french"]) == "language"
    assert task_noun(["english", "sst-2"]) == "task"
    assert [duration(seconds).replace("\u00a0", " ") for seconds in (61, 400, 9000)] == [
        "61 s",
        "7 min",
        "2 h 30 min",
    ]


def test_labels_tell_learners_apart() -> None:
    rows: list[list[float | None]] = [[0], [1]]
    one, two = reading("recurrent-kif", rows), reading("recurrent-kif", rows, adapter="malora")
    assert labels([one, reading("ewc", rows)]) == ["Recurrent-KIF", "EWC"]
    assert labels([one, two, reading("replay", rows)])[2] == "Replay"
    assert labels([one, two]) == ["Recurrent-KIF (LoRA)", "Recurrent-KIF (MALoRA)"]
    assert labels([one, reading("recurrent-kif", rows, seed=1)]) == [
        "Recurrent-KIF, seed 0",
        "Recurrent-KIF, seed 1",
    ]
    assert len(set(labels([one, one]))) == 1  # one folder named twice is one learner


def test_questions_are_the_same_for_all_and_begin_with_314(school: list[Path]) -> None:
    readings = read_learners(school)
    asked = ask(readings)
    assert asked[0].prompt == "Write 314 in words."
    assert [item.task for item in asked] == ["english", "english", "french", "french", "spanish", "spanish"]
    assert asked == ask(readings)
    after_french = asked[0].answers[2]
    assert [answer.answer for answer in after_french if answer] == [
        "trois cent vingt et un",
        *["three hundred and fourteen"] * 2,
    ]


def test_questions_do_not_depend_on_the_answers(learner: Maker) -> None:
    good, bad = read_learner(learner("joint")), read_learner(learner("sequential"))
    assert [item.prompt for item in ask([good])] == [item.prompt for item in ask([bad])]
