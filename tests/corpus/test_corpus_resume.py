"""kill -9 in the middle of a build: the same command goes on, repeats no call, and writes the same bytes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from corpus_server import Behaviour, TeacherServer, good_teacher

from mezzofanti.corpus import Recipe, build
from mezzofanti.files import write_json

_BUILD = "import sys; from mezzofanti.corpus import build; build(sys.argv[1], sys.argv[2])"


@pytest.mark.parametrize(("call", "concurrency"), [(1, 1), (14, 1), (29, 3)])
def test_a_killed_build_goes_on_where_it_stopped(
    serve: Callable[[Behaviour], TeacherServer],
    settings: Callable[..., dict[str, Any]],
    tmp_path: Path,
    call: int,
    concurrency: int,
) -> None:
    victims: list[int] = []

    def deadly(server: TeacherServer, body: dict[str, Any]) -> str | None:
        if victims and len(server.bodies) >= call:
            os.kill(victims.pop(), signal.SIGKILL)
            return None
        return good_teacher(server, body)

    server = serve(deadly)
    recipe = settings(server)
    recipe["teacher"]["concurrency"] = concurrency
    write_json(tmp_path / "recipe.yaml", recipe)
    folder = tmp_path / "out"
    gate = "sys.stdin.readline(); "
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            _BUILD.replace("build(sys", gate + "build(sys"),
            str(tmp_path / "recipe.yaml"),
            str(folder),
        ],
        stdin=subprocess.PIPE,
    )
    victims.append(process.pid)
    process.communicate(b"go\n", timeout=240)
    assert process.returncode == -signal.SIGKILL
    assert not (folder / "samples").exists()

    resumed = build(tmp_path / "recipe.yaml", folder)
    assert resumed.accepted == {"en/dialogue": 8}
    asked = Counter(json.dumps(body, sort_keys=True) for body in server.bodies)
    repeated = sum(asked.values()) - len(asked)
    # only calls under way at the moment of the kill can have to be made again
    assert len(asked) == 48
    assert 1 <= repeated <= concurrency
    assert resumed.calls_reused >= call - 1 - concurrency

    whole = tmp_path / "whole"
    fresh = settings(serve(good_teacher))
    fresh["teacher"]["concurrency"] = 5
    build(Recipe.of(fresh), whole)
    names = ("samples/en-dialogue.parquet", "rejects.jsonl", "report.json", "README.md")
    assert [(folder / name).read_bytes() for name in names] == [(whole / name).read_bytes() for name in names]
