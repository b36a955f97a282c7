"""HumanEval in five languages: a function is written from its description and must pass the task's tests.

M. Chen et al., "Evaluating Large Language Models Trained on Code" (2021); the translations of the descriptions
are UltraLink's (github.com/OpenBMB/UltraLink, folder `humaneval/`, MIT licence). One JSON object a line:
task_id, prompt, entry_point, canonical_solution, test. Answers and tests are programs: they run in the sandbox
only, and nothing here executes or parses them.

Known damage in the translations: some prompts lost their last newline (it is put back on reading) and some have
the function's name or a keyword translated (`Problem.is_whole` is False: no continuation can pass).
"""

from __future__ import annotations

import functools
import math
import re
import secrets
import textwrap
from pathlib import Path
from typing import Literal

from mezzofanti.errors import ConfigurationError, DataError, nearest
from mezzofanti.evaluation.sandbox import Execution, Sandbox
from mezzofanti.files import read_jsonl
from mezzofanti.records import Record

__all__ = ["LANGUAGES", "Problem", "Verdict", "check", "load", "pass_at_k", "program"]

_FILES = {
    "en": "humaneval_en.jsonl",
    "es": "humaneval_es.json",
    "fr": "humaneval_fr.json",
    "ru": "humaneval_ru.json",
    "zh": "humaneval_zh.jsonl",
}
LANGUAGES = tuple(_FILES)
_FENCED = re.compile(r"```[ \t]*\w*[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)


class Problem(Record):
    """One task: `prompt` is the signature with its description, `test` defines `check(candidate)`."""

    task_id: str
    language: str
    prompt: str
    entry_point: str
    canonical_solution: str
    test: str

    @property
    def is_whole(self) -> bool:
        """True where the prompt still defines the function that the test calls."""
        return _definition(self).search(self.prompt) is not None


class Verdict(Record):
    """Whether an answer passed, and if not why: `wrong` an assertion failed, `error` another exception,
    `early exit` the program ended before its tests did. `detail` is the last line of the error."""

    task_id: str
    language: str
    passed: bool
    reason: Literal["passed", "wrong", "error", "early exit", "timeout", "flood"]
    detail: str = ""
    seconds: float


def load(folder: Path | str, language: str) -> list[Problem]:
    """Read the problems of one language, in the order of the file.

    Raises `ConfigurationError` for an unknown language, `DataError` where the file is absent or a row is broken.
    """
    if language not in _FILES:
        raise ConfigurationError(f"There is no HumanEval in {language!r}.", cure=nearest(language, LANGUAGES))
    path = Path(folder) / _FILES[language]
    if not path.is_file():
        raise DataError(
            f"The multilingual HumanEval is not here: there is no {path}.",
            cure="Copy the folder humaneval/ of https://github.com/OpenBMB/UltraLink there.",
        )
    return [_problem(row, language, path, number) for number, row in enumerate(read_jsonl(path), 1)]


def _problem(row: object, language: str, path: Path, number: int) -> Problem:
    try:
        problem = Problem.model_validate({**dict(row), "language": language})  # type: ignore[call-overload]
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split("\n")[:3])
        raise DataError(
            f"{path}, row {number}: not a problem ({reason}).", cure="Copy the file again."
        ) from None
    return (
        problem
        if problem.prompt.endswith("\n")
        else problem.model_copy(update={"prompt": problem.prompt + "\n"})
    )


def check(problem: Problem, completion: str, sandbox: Sandbox | None = None) -> Verdict:
    """Run the problem's tests on an answer, isolated. `SandboxUnavailableError` where that is impossible.

    An answer passes only if the program reaches the line after its tests, so leaving early is no pass. This
    guards against accidents; an answer that means to cheat shares the tests' process and could.
    """
    marker = secrets.token_hex(16)
    tests = f"{problem.test}\n\ncheck({problem.entry_point})\nprint({marker!r})\n"
    execution = (sandbox or _sandbox()).run(f"{program(problem, completion)}\n{tests}")
    reason = _reason(execution, marker)
    lines = execution.stderr.strip().splitlines()
    return Verdict(
        task_id=problem.task_id,
        language=problem.language,
        passed=reason == "passed",
        reason=reason,
        detail=lines[-1][:300] if lines and reason != "passed" else "",
        seconds=execution.seconds,
    )


@functools.cache
def _sandbox() -> Sandbox:
    return Sandbox()


def _reason(
    execution: Execution, marker: str
) -> Literal["passed", "wrong", "error", "early exit", "timeout", "flood"]:
    if execution.status != "finished":
        return execution.status
    if execution.exit_code == 0:
        return "passed" if execution.stdout.rstrip().endswith(marker) else "early exit"
    last = execution.stderr.strip().splitlines()[-1:]
    return "wrong" if last and last[0].startswith("AssertionError") else "error"


def program(problem: Problem, completion: str) -> str:
    """Return the program that an answer stands for, without the tests.

    An answer is either the whole function, with anything around it, or the continuation of the prompt. Code in a
    fence (```) is taken out of it. A continuation ends at the first line that is not indented; one whose first
    line lost its indentation, as trimmed answers do, gets it back.
    """
    code = _code(problem, completion)
    if not _definition(problem).search(code):
        return problem.prompt + _body(code) + "\n"
    # Imports and helpers that the prompt gives are the answer's too; __future__ must come before them.
    found = _definition(problem).search(problem.prompt)
    before = problem.prompt[: found.start()] if found else ""
    future = [line for line in code.splitlines() if line.startswith("from __future__ import")]
    rest = [line for line in code.splitlines() if line not in future]
    return "\n".join([*future, before, *rest]) + "\n"


def _definition(problem: Problem) -> re.Pattern[str]:
    return re.compile(rf"def[ \t]+{re.escape(problem.entry_point)}[ \t]*\(")


def _code(problem: Problem, completion: str) -> str:
    blocks = [match.group(1) for match in _FENCED.finditer(completion)]
    whole = [block for block in blocks if _definition(problem).search(block)]
    return (whole or blocks or [completion])[0]


def _body(code: str) -> str:
    lines = code.strip("\n").splitlines()
    later_outside = [number for number, line in enumerate(lines) if number and line[:1].strip()]
    if lines and lines[0][:1].strip():
        if later_outside:
            return textwrap.indent("\n".join(lines), "    ")
        return "\n".join(["    " + lines[0], *lines[1:]])
    return "\n".join(lines[: later_outside[0]] if later_outside else lines)


def pass_at_k(total: int, correct: int, k: int) -> float:
    """Return the unbiased estimate of pass@k from `total` answers of which `correct` pass (Chen et al., eq. 1)."""
    if not 0 <= correct <= total or not 1 <= k <= total:
        raise ConfigurationError(
            f"pass@{k} cannot be estimated from {correct} of {total}.",
            cure="Give at least k answers a problem.",
        )
    return 1.0 - math.comb(total - correct, k) / math.comb(total, k)
