"""A weak teacher: SmolLM2-135M behind a real OpenAI-compatible server turns thirty Wikipedia leads into dialogues.

    python -m benchmarks.leads                   -> benchmarks/results/leads.json; resumable

Needs `pip install 'transformers[serving]'` and the Wikipedia leads. What counts is an honest page of rejects.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.lock import machine_lock
from benchmarks.record import REPOSITORY, RESULTS, WORK, circumstances
from mezzofanti.bases import resolve
from mezzofanti.corpus import build
from mezzofanti.files import read_jsonl, write_json

RESULT = RESULTS / "leads.json"
FOLDER = WORK / "leads"
PORT = 8000


@contextmanager
def served(folder: Path) -> Iterator[None]:
    """`transformers serve` on the base while the block runs."""
    program = Path(sys.executable).with_name("transformers")
    command = [str(program), "serve", folder.name, "--port", str(PORT)]
    # the server knows a model by the name it was started with, so it is started beside the folder
    server = subprocess.Popen(
        command, cwd=folder.parent, env={**os.environ, "HF_HUB_OFFLINE": "1"}, stderr=subprocess.DEVNULL
    )
    try:
        _wait(server)
        yield
    finally:
        server.terminate()
        server.wait(30)


def _wait(server: subprocess.Popen[bytes]) -> None:
    for _ in range(120):
        if server.poll() is not None:
            raise SystemExit("transformers serve ended at once: pip install 'transformers[serving]'")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health", timeout=2)
            return
        except OSError:
            time.sleep(1)
    raise SystemExit("transformers serve did not answer within two minutes")


def read(folder: Path, limit: int = 10) -> dict[str, Any]:
    """Ten samples and ten rejects of the build, as they are."""
    samples = [
        row
        for path in sorted((folder / "samples").glob("*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]
    return {"samples": samples[:limit], "rejects": list(read_jsonl(folder / "rejects.jsonl"))[:limit]}


def main() -> None:
    """Serve, build, write the result."""
    base = resolve("smollm2-135m")
    started = time.monotonic()
    with machine_lock("python -m benchmarks.leads"), served(base.path):
        report = build(
            REPOSITORY / "recipes" / "corpus" / "leads-smollm2.yaml",
            FOLDER,
            progress=lambda done, total, what: print(f"{done}/{total} {what}", file=sys.stderr, flush=True),
        )
    counts = report.model_dump(mode="json", exclude={"folder"})
    head = {"schema": 1, **circumstances("python -m benchmarks.leads"), "teacher": base.origin}
    write_json(RESULT, {**head, "seconds": time.monotonic() - started, **counts, **read(FOLDER)})
    print("\n".join(report.lines()))


if __name__ == "__main__":
    main()
