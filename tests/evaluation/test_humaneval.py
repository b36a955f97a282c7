"""HumanEval: what counts as an answer (no sandbox needed), and the verdicts of the sandbox on real solutions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mezzofanti.errors import ConfigurationError, DataError, SandboxUnavailableError
from mezzofanti.evaluation.sandbox import Limits, Sandbox
from mezzofanti.evaluation.suites.humaneval import LANGUAGES, Problem, check, load, pass_at_k, program

PROBLEM = Problem(
    task_id="Test/0",
    language="en",
    prompt='import math\n\n\ndef root(x):\n    """Return the whole part of the square root."""\n',
    entry_point="root",
    canonical_solution="    return math.isqrt(x)\n",
    test="def check(candidate):\n    assert candidate(10) == 3\n    assert candidate(16) == 4\n",
)
DAMAGED = PROBLEM.model_copy(update={"prompt": "importer math\n\ndéf racine(x):\n"})


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    made = Sandbox(Limits(seconds=10))
    try:
        made.verify()
    except SandboxUnavailableError as error:
        pytest.skip(f"no sandbox here: {error}")
    return made


@pytest.fixture(scope="module")
def data(shared_data: Path) -> Path:
    folder = shared_data / "multilingual_humaneval"
    if not folder.is_dir():
        pytest.skip("benchmark data absent: multilingual_humaneval")
    return folder


@pytest.mark.parametrize(
    "answer",
    [
        "    return math.isqrt(x)\n",
        "return math.isqrt(x)",
        "y = math.isqrt(x)\n    return y",
        "y = math.isqrt(x)\nif y:\n    return y\nreturn 0",
        "    return math.isqrt(x)\n\n\ndef other(:\n    broken",
        "    return math.isqrt(x)\nprint(root('nonsense'))",
        "def root(x):\n    return math.isqrt(x)\n",
        "Here it is:\n```python\ndef root(x):\n    return math.isqrt(x)\n```\nEnjoy!",
        "```\n    return math.isqrt(x)\n```",
        "```python\nroot(4)\n```\nand\n```python\ndef root(x):\n    return math.isqrt(x)\n```",
        "```python\nfrom __future__ import annotations\ndef root(x: int) -> int:\n    return math.isqrt(x)",
        "def helper(x):\n    return math.isqrt(x)\n\ndef root(x):\n    return helper(x)",
    ],
)
def test_right_answers_in_every_dress_pass(sandbox: Sandbox, answer: str) -> None:
    verdict = check(PROBLEM, answer, sandbox)
    assert (verdict.passed, verdict.reason, verdict.detail) == (True, "passed", ""), program(PROBLEM, answer)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("    return 3", "wrong"),
        ("    return undefined", "error"),
        ("    return (", "error"),
        ("", "wrong"),
        ("    import sys; sys.exit(0)", "early exit"),
        ("    import os; os._exit(0)", "early exit"),
        ("    raise SystemExit", "early exit"),
        ("    open('/etc/passwd')", "error"),
        ("    while True: print('x' * 1000)", "flood"),
        ("I would rather not.", "error"),
    ],
)
def test_wrong_answers_fail_for_the_right_reason(sandbox: Sandbox, answer: str, reason: str) -> None:
    verdict = check(PROBLEM, answer, sandbox)
    assert (verdict.passed, verdict.reason) == (False, reason), verdict


def test_endless_answers_are_stopped(sandbox: Sandbox) -> None:
    verdict = check(PROBLEM, "    while True: pass", Sandbox(Limits(seconds=0.5)))
    assert verdict.reason == "timeout"


def test_without_a_sandbox_nothing_is_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxUnavailableError):
        check(PROBLEM, PROBLEM.canonical_solution)


def test_damaged_prompts_are_known(tmp_path: Path) -> None:
    assert PROBLEM.is_whole
    assert not DAMAGED.is_whole
    # Only a whole function can be an answer then, and it owes nothing to the prompt.
    assert program(DAMAGED, "def root(x):\n    return 3").strip() == "def root(x):\n    return 3"


def test_files_are_read_and_mistakes_named(tmp_path: Path) -> None:
    row = PROBLEM.model_dump(exclude={"language"}) | {"prompt": PROBLEM.prompt.rstrip("\n")}
    (tmp_path / "humaneval_fr.json").write_text(json.dumps(row) + "\n", "utf-8")
    assert load(tmp_path, "fr") == [PROBLEM.model_copy(update={"language": "fr"})]
    with pytest.raises(ConfigurationError, match="no HumanEval in 'english'"):
        load(tmp_path, "english")
    with pytest.raises(DataError, match=r"there is no .*humaneval_en.jsonl.*UltraLink"):
        load(tmp_path, "en")
    (tmp_path / "humaneval_en.jsonl").write_text('{"task_id": "a"}\n', "utf-8")
    with pytest.raises(DataError, match=r"humaneval_en.jsonl, row 1: not a problem"):
        load(tmp_path, "en")
    (tmp_path / "humaneval_en.jsonl").write_text("[1]\n", "utf-8")
    with pytest.raises(DataError, match="row 1: not a problem"):
        load(tmp_path, "en")


def test_pass_at_k_against_drawing_by_hand() -> None:
    # Of 5 answers 2 pass; of the 10 pairs, 3 hold no passing one.
    assert pass_at_k(5, 2, 2) == pytest.approx(0.7)
    assert pass_at_k(10, 3, 1) == pytest.approx(0.3)
    assert (pass_at_k(4, 0, 2), pass_at_k(4, 3, 2)) == (0.0, 1.0)
    with pytest.raises(ConfigurationError):
        pass_at_k(2, 1, 3)


def test_every_language_has_the_same_164_problems(data: Path) -> None:
    numbers = {language: {problem.task_id for problem in load(data, language)} for language in LANGUAGES}
    assert {len(ids) for ids in numbers.values()} == {164}
    assert len(set(map(frozenset, numbers.values()))) == 1
    damaged = {language: sum(not p.is_whole for p in load(data, language)) for language in LANGUAGES}
    assert damaged == {"en": 0, "zh": 0, "es": 35, "fr": 30, "ru": 8}


def test_ten_canonical_solutions_pass_and_their_stubs_fail(data: Path, sandbox: Sandbox) -> None:
    for problem in load(data, "en")[::17]:
        assert check(problem, problem.canonical_solution, sandbox).passed, problem.task_id
        assert not check(problem, "    pass", sandbox).passed, problem.task_id


@pytest.mark.drill
@pytest.mark.parametrize(
    ("language", "least"), [("en", 164), ("zh", 164), ("es", 115), ("fr", 119), ("ru", 142)]
)
def test_all_canonical_solutions(data: Path, sandbox: Sandbox, language: str, least: int) -> None:
    """The counts of the data's own description: the rest are damaged in translation."""
    verdicts = [check(problem, problem.canonical_solution, sandbox) for problem in load(data, language)]
    assert sum(verdict.passed for verdict in verdicts) == least
    damaged = [problem for problem in load(data, language) if not problem.is_whole]
    assert not any(verdict.passed for verdict in verdicts if verdict.task_id in {p.task_id for p in damaged})
