"""What is read off an accuracy matrix, against figures worked out by hand and against plain loops."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezzofanti.continual import AccuracyMatrix
from mezzofanti.errors import StateError

TASKS, QUESTIONS = ["one", "two", "three"], [10, 20, 40]
ROWS = [[0.1, 0.2, 0.3], [0.9, 0.1, 0.2], [0.5, 0.8, 0.4], [0.6, 0.7, 0.9]]


def test_three_tasks_by_hand() -> None:
    matrix = AccuracyMatrix(TASKS, QUESTIONS, ROWS)
    assert matrix.learned == 3
    assert matrix.op == pytest.approx((0.6 + 0.7 + 0.9) / 3)
    assert matrix.bwt == pytest.approx(((0.6 - 0.9) + (0.7 - 0.8)) / 2)
    assert matrix.fwt == pytest.approx(((0.1 - 0.2) + (0.4 - 0.3)) / 2)
    assert matrix.forgetting == pytest.approx(((0.9 - 0.6) + (0.8 - 0.7)) / 2)


def test_a_task_that_was_best_before_its_own_lessons_counts_as_forgotten() -> None:
    rows = [[0.0, 0.9], [1.0, 0.6], [1.0, 0.2], [1.0, 0.1]]
    matrix = AccuracyMatrix(["one", "two", "three"], [9, 9, 9], [[*row, 0.0] for row in rows])
    # two: best of rows 1 and 2 is 0.6 (row 0 is before any training), last 0.1; its BWT is 0.1 - 0.2
    assert matrix.forgetting == pytest.approx((0.0 + 0.5) / 2)
    assert matrix.bwt == pytest.approx((0.0 - 0.1) / 2)


@pytest.mark.parametrize(("count", "op"), [(0, None), (1, None), (2, 0.9), (3, (0.5 + 0.8) / 2)])
def test_half_way_only_the_tasks_learned_count(count: int, op: float | None) -> None:
    matrix = AccuracyMatrix(TASKS, QUESTIONS, ROWS[:count])
    assert matrix.learned == max(0, count - 1)
    assert matrix.op == (None if op is None else pytest.approx(op))
    known = [matrix.bwt, matrix.fwt, matrix.forgetting]
    assert known == [None] * 3 if count < 3 else known == pytest.approx([-0.4, -0.1, 0.4])


def test_a_cell_that_was_not_examined_leaves_its_figures_unknown() -> None:
    rows = [[0.1, None, 0.3], [0.9, None, 0.2], [0.5, 0.8, 0.4], [0.6, 0.7, 0.9]]
    matrix = AccuracyMatrix(TASKS, QUESTIONS, rows)
    assert matrix.fwt is None
    assert matrix.bwt == pytest.approx(-0.2)
    assert matrix.forgetting == pytest.approx(0.2)
    assert AccuracyMatrix(TASKS, QUESTIONS, [*ROWS[:3], [0.6, None, 0.9]]).op is None
    assert matrix.standard_error(0, 1) is None


def test_the_error_of_a_cell_is_binomial() -> None:
    matrix = AccuracyMatrix(TASKS, QUESTIONS, ROWS)
    assert matrix.standard_error(2, 1) == pytest.approx(math.sqrt(0.8 * 0.2 / 20))
    assert AccuracyMatrix(["one"], [0], [[0.5]]).standard_error(0, 0) is None


def test_rows_come_in_order_and_a_row_set_again_drops_what_followed() -> None:
    matrix = AccuracyMatrix(TASKS, QUESTIONS)
    with pytest.raises(StateError, match="Examine in order"):
        matrix.set_row(1, ROWS[1])
    for index, row in enumerate(ROWS):
        matrix.set_row(index, row)
    assert matrix.rows == ROWS
    matrix.set_row(1, [1, 1, 1])
    assert matrix.rows == [ROWS[0], [1, 1, 1]]


def test_a_matrix_as_json_says_all_it_knows() -> None:
    matrix = AccuracyMatrix(TASKS, QUESTIONS, ROWS)
    told = matrix.as_json()
    assert (told["tasks"], told["questions"], told["rows"]) == (TASKS, QUESTIONS, ROWS)
    figures = [told[name] for name in ("op", "bwt", "fwt", "forgetting")]
    assert figures == [matrix.op, matrix.bwt, matrix.fwt, matrix.forgetting]


@st.composite
def squares(draw: st.DrawFn) -> list[list[float]]:
    k = draw(st.integers(2, 5))
    cells = st.lists(st.floats(0, 1), min_size=k, max_size=k)
    return draw(st.lists(cells, min_size=k + 1, max_size=k + 1))


@given(squares())
def test_any_matrix_against_plain_loops(rows: list[list[float]]) -> None:
    k = len(rows) - 1
    matrix = AccuracyMatrix([str(j) for j in range(k)], [5] * k, rows)
    op = bwt = fwt = forgetting = 0.0
    for j in range(1, k + 1):
        op += rows[k][j - 1] / k
        if j < k:
            bwt += (rows[k][j - 1] - rows[j][j - 1]) / (k - 1)
            forgetting += (max(rows[i][j - 1] for i in range(1, k)) - rows[k][j - 1]) / (k - 1)
        if j > 1:
            fwt += (rows[j - 1][j - 1] - rows[0][j - 1]) / (k - 1)
    found = [matrix.op, matrix.bwt, matrix.fwt, matrix.forgetting]
    assert found == pytest.approx([op, bwt, fwt, forgetting], abs=1e-12)
    assert -1 <= bwt <= 1
    assert forgetting >= -bwt - 1e-12


@given(st.lists(st.floats(0, 1), min_size=2, max_size=5))
def test_where_nothing_changes_nothing_is_forgotten(row: list[float]) -> None:
    matrix = AccuracyMatrix([str(j) for j in range(len(row))], [5] * len(row), [row] * (len(row) + 1))
    assert (matrix.bwt, matrix.fwt, matrix.forgetting) == (0, 0, 0)
    assert matrix.op == pytest.approx(sum(row) / len(row))
