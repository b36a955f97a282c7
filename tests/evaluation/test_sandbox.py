"""Real attacks on the sandbox, and the cases in which it must refuse to run anything.

Where bubblewrap is absent or may not isolate, the attacks are skipped and the refusals still run.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import struct
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mezzofanti.errors import SandboxUnavailableError
from mezzofanti.evaluation.sandbox import Execution, Limits, Sandbox
from mezzofanti.evaluation.syscalls import seccomp_filter

QUICK = Limits(seconds=5, memory_mib=256, processes=4, scratch_mib=4, output_bytes=10_000)


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    made = Sandbox(QUICK)
    try:
        made.verify()
    except SandboxUnavailableError as error:
        # A machine may have no sandbox; one whose sandbox leaks is a failure.
        if "does not hold" in str(error):
            raise
        pytest.skip(f"no sandbox here: {error}")
    return made


def attack(sandbox: Sandbox, program: str, **values: object) -> Execution:
    lines = [f"{name} = {value!r}" for name, value in values.items()]
    return sandbox.run("\n".join([*lines, textwrap.dedent(program)]))


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.txt"
    path.write_text("the treasure", "utf-8")
    path.chmod(0o666)
    return path


def test_an_honest_program_runs(sandbox: Sandbox) -> None:
    execution = sandbox.run("import math, sys\nprint(math.factorial(20), 'é')\nsys.exit(3)")
    assert (execution.status, execution.exit_code) == ("finished", 3)
    assert execution.stdout == "2432902008176640000 é\n"


def test_it_looks_like_a_script(sandbox: Sandbox) -> None:
    program = """
        from __future__ import annotations
        import dataclasses, sys, typing
        @dataclasses.dataclass
        class Point:
            x: typing.ClassVar[int]
            y: int = 0
        assert __name__ == "__main__"
        assert typing.get_type_hints(Point)["y"] is int
        print(sys.argv, repr(sys.stdin.read()), len(dataclasses.fields(Point)))
    """
    execution = sandbox.run(textwrap.dedent(program))
    assert execution.stdout == "['program'] '' 1\n", execution.stderr


def test_errors_are_told(sandbox: Sandbox) -> None:
    assert "ZeroDivisionError" in sandbox.run("1 / 0").stderr
    assert "SyntaxError" in sandbox.run("def (").stderr
    assert sandbox.run("print('\ud800')").exit_code == 1


@pytest.mark.parametrize(
    "path", ["/etc/shadow", "/etc/passwd", "/proc/self/environ", "/root/.bashrc", __file__]
)
def test_files_of_the_machine_cannot_be_read(sandbox: Sandbox, path: str) -> None:
    execution = attack(sandbox, "print(open(path, 'rb').read())", path=path)
    assert execution.exit_code == 1
    assert "FileNotFoundError" in execution.stderr or "PermissionError" in execution.stderr


def test_a_secret_file_can_be_neither_read_nor_changed(sandbox: Sandbox, secret: Path) -> None:
    program = """
        import os, shutil
        tries = [
            lambda: open(path).read(),
            lambda: open(path, "w").write("x"),
            lambda: os.unlink(path),
            lambda: os.rename(path, "/tmp/x"),
            lambda: os.link(path, "/tmp/x"),
            lambda: shutil.rmtree(os.path.dirname(path)),
        ]
        for number, attempt in enumerate(tries):
            try:
                attempt()
                print("got through", number)
            except OSError:
                pass
    """
    execution = attack(sandbox, program, path=str(secret))
    assert (execution.exit_code, execution.stdout) == (0, ""), execution.stderr
    assert secret.read_text("utf-8") == "the treasure"


def test_nothing_but_the_scratch_folder_is_writable(sandbox: Sandbox) -> None:
    program = """
        import os
        written = []
        for top, folders, files in os.walk("/"):
            if top.count("/") > 2:
                folders.clear()
            for name in (os.path.join(top, "x"), *(os.path.join(top, file) for file in files[:3])):
                if os.path.exists(name) and not os.path.isfile(name):
                    continue
                try:
                    open(name, "ab").write(b"x")
                    written.append(name)
                except OSError:
                    pass
        print(sorted(written))
    """
    execution = attack(sandbox, program)
    assert execution.stdout == "['/tmp/x']\n", execution


def test_scratch_is_small_and_fresh(sandbox: Sandbox) -> None:
    first = sandbox.run("open('/tmp/kept', 'w').write('x')\nopen('/tmp/big', 'wb').write(b'x' * 2**23)")
    assert first.exit_code != 0
    assert "Error" in first.stderr or "OSError" in first.stderr
    many = "for number in range(100): open(f'/tmp/{number}', 'wb').write(b'x' * 2**20)"
    assert "No space left" in sandbox.run(many).stderr
    assert sandbox.run("import os\nprint(os.listdir('/tmp'))").stdout == "[]\n"


def test_the_network_is_out_of_reach(sandbox: Sandbox) -> None:
    program = """
        import socket
        families = [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, getattr(socket, "AF_VSOCK", socket.AF_INET)]
        for family in families:
            try:
                socket.socket(family)
                print("a socket of family", family)
            except OSError:
                pass
        try:
            socket.create_connection(("127.0.0.1", port), 1)
            print("connected")
        except OSError as error:
            print("refused")
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert attack(sandbox, program, port=server.getsockname()[1]).stdout == "refused\n"


def test_the_environment_and_open_files_stay_outside(
    sandbox: Sandbox, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "the treasure")
    program = """
        import os
        open_files = []
        for number in range(64):
            try:
                os.fstat(number)
                open_files.append(number)
            except OSError:
                pass
        print(sorted(os.environ), open_files, os.path.exists("/proc"), os.read(0, 10))
    """
    with secret.open("rb") as stream:
        os.set_inheritable(stream.fileno(), True)
        told = attack(sandbox, program).stdout
    assert told == "['HOME', 'LANG', 'PATH', 'PWD'] [0, 1, 2] False b''\n"


def test_no_rights_and_no_new_namespaces(sandbox: Sandbox) -> None:
    program = """
        import os, subprocess
        assert os.geteuid() != 0 and os.getgroups() in ([], [65534], [os.getgid()]), os.getgroups()
        for attempt in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.chroot("/tmp")):
            try:
                attempt()
                print("got through")
            except OSError:
                pass
        for command in (["unshare", "-U", "true"], ["unshare", "-m", "true"], ["mount", "-t", "tmpfs", "x", "/tmp"]):
            try:
                if subprocess.run(command, capture_output=True).returncode == 0:
                    print("got through", command)
            except FileNotFoundError:
                pass
        print("done")
    """
    assert attack(sandbox, program).stdout == "done\n"


def test_memory_is_limited(sandbox: Sandbox) -> None:
    execution = sandbox.run("blocks = []\nwhile True: blocks.append(bytearray(2**24))")
    assert execution.exit_code != 0
    assert "MemoryError" in execution.stderr
    assert sandbox.run("import os\nos.memfd_create('x')").exit_code == 1


def test_an_endless_loop_is_stopped() -> None:
    begun = time.monotonic()
    execution = _or_skip(Sandbox(QUICK.model_copy(update={"seconds": 0.5})), "while True: pass")
    assert (execution.status, execution.exit_code) == ("timeout", None)
    assert 0.5 <= execution.seconds < 3
    assert time.monotonic() - begun < 30


def test_sleep_and_closed_outputs_do_not_outwit_the_clock() -> None:
    program = "import os, time\nos.close(1); os.close(2)\ntime.sleep(100)"
    execution = _or_skip(Sandbox(QUICK.model_copy(update={"seconds": 0.5})), program)
    assert (execution.status, execution.exit_code) == ("timeout", None)
    drip = "import time\nwhile True: print('.', flush=True); time.sleep(0.05)"
    assert _or_skip(Sandbox(QUICK.model_copy(update={"seconds": 0.5})), drip).status == "timeout"


def test_a_flood_of_output_is_stopped(sandbox: Sandbox) -> None:
    for stream in (1, 2):
        execution = sandbox.run(f"import os\nwhile True: os.write({stream}, b'x' * 1000)")
        assert execution.status == "flood"
        assert len(execution.stdout) + len(execution.stderr) <= QUICK.output_bytes


def test_a_fork_bomb_fizzles_and_leaves_nobody(sandbox: Sandbox) -> None:
    token = f"bomb-{os.getpid()}-{time.monotonic_ns()}"
    program = """
        import os, subprocess, sys
        count = 0
        try:
            while True:
                command = [sys.executable, "-S", "-c", "import time; time.sleep(60)", token]
                subprocess.Popen(command, start_new_session=True)
                count += 1
        except BlockingIOError:
            print(count, flush=True)
        os._exit(0)
    """
    execution = attack(sandbox, program, token=token)
    assert int(execution.stdout) < QUICK.processes
    deadline = time.monotonic() + 5
    while list(_processes_with(token)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not list(_processes_with(token))
    assert sandbox.run("import os\nwhile True: os.fork()").status in ("finished", "timeout", "flood")


def test_threads_count_as_processes(sandbox: Sandbox) -> None:
    program = """
        import threading
        threads = [threading.Thread(target=threading.Event().wait, daemon=True) for _ in range(50)]
        for number, thread in enumerate(threads):
            try:
                thread.start()
            except RuntimeError:
                print(number)
                break
    """
    assert int(attack(sandbox, program).stdout) <= QUICK.processes


def test_it_refuses_where_bubblewrap_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxUnavailableError, match=r"not installed.*Install bubblewrap"):
        Sandbox().run(f"open({str(tmp_path / 'ran')!r}, 'w')")
    assert not (tmp_path / "ran").exists()


def test_it_refuses_where_bubblewrap_cannot_isolate(tmp_path: Path) -> None:
    bwrap = _script(tmp_path, "echo 'bwrap: No permissions to create new namespace' >&2; exit 1")
    with pytest.raises(
        SandboxUnavailableError, match=r"cannot isolate here .*No permissions.*user namespaces"
    ):
        Sandbox(bwrap=bwrap).run("print(1)")


def test_it_refuses_where_the_barriers_do_not_hold(tmp_path: Path) -> None:
    bwrap = _script(tmp_path, 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"')
    marker = tmp_path / "ran"
    with pytest.raises(SandboxUnavailableError, match=r"does not hold.*file outside can be read") as caught:
        Sandbox(bwrap=bwrap).run(f"open({str(marker)!r}, 'w')")
    assert "/etc/passwd can be read" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not marker.exists()


HOLES = {
    "files": "a file outside can be read; a file outside can be overwritten.*a file outside was changed",
    "filter": "new user namespaces can be made",
}
if os.geteuid() == 0:
    # For everyone else bubblewrap needs these namespaces, or the kernel's own rules step in.
    HOLES |= {"network": "the network can be reached", "processes": "the table of processes is shared"}


@pytest.mark.parametrize(("hole", "named"), HOLES.items())
def test_one_hole_in_the_wall_is_found(sandbox: Sandbox, tmp_path: Path, hole: str, named: str) -> None:
    """The real bubblewrap with one barrier taken out of its command line: the probe must name it."""
    dropped = {
        "network": ["--unshare-net", "--seccomp"],
        "processes": ["--unshare-pid"],
        "filter": ["--seccomp"],
    }
    source = f"""
        #!{sys.executable}
        import os, sys
        cut = sys.argv.index("--")
        words, program = sys.argv[1:cut], sys.argv[cut:]
        for word in {dropped.get(hole, [])!r}:
            place = words.index(word)
            del words[place : place + (2 if word == "--seccomp" else 1)]
        if {hole!r} == "files":
            words = ["--perms", "0755", "--dir", "/var", "--bind", "/var/tmp", "/var/tmp", *words]
        os.execv({shutil.which("bwrap")!r}, ["bwrap", *words, *program])
    """
    bwrap = _script(tmp_path, textwrap.dedent(source).strip(), interpreter="")
    with pytest.raises(SandboxUnavailableError, match=f"does not hold.*{named}"):
        Sandbox(QUICK, bwrap=bwrap).verify()


def test_the_filter_refuses_by_the_book() -> None:
    """Interpret the classic BPF program slowly and put single system calls to it."""
    for machine, architecture, cases in (
        ("x86_64", 0xC000003E, {"read": 0, "socket": 41, "clone": 56, "unshare": 272, "memfd_create": 319}),
        (
            "aarch64",
            0xC00000B7,
            {"read": 63, "socket": 198, "clone": 220, "unshare": 97, "memfd_create": 279},
        ),
    ):
        program = seccomp_filter(machine)
        assert _interpret(program, architecture, cases["read"], 0) == 0x7FFF0000
        for name in ("socket", "unshare", "memfd_create"):
            assert _interpret(program, architecture, cases[name], 0) == 0x00050000 | 1, name
        assert _interpret(program, architecture, cases["clone"], 0x11) == 0x7FFF0000
        assert _interpret(program, architecture, cases["clone"], 0x10000000) == 0x00050000 | 1
        assert _interpret(program, architecture, 435, 0) == 0x00050000 | 38
        assert _interpret(program, 0x40000003, cases["read"], 0) == 0x80000000
    with pytest.raises(SandboxUnavailableError, match="no list of system calls for 'riscv64'"):
        seccomp_filter("riscv64")


def _interpret(program: bytes, architecture: int, number: int, argument: int) -> int:
    data = struct.pack("=IIQQ", number, architecture, 0, argument)
    instructions = list(struct.iter_unpack("=HBBI", program))
    position, accumulator = 0, 0
    while True:
        code, then, otherwise, operand = instructions[position]
        position += 1
        if code == 0x20:
            accumulator = struct.unpack_from("=I", data, operand)[0]
        elif code == 0x06:
            return int(operand)
        else:
            holds = {
                0x15: accumulator == operand,
                0x35: accumulator >= operand,
                0x45: bool(accumulator & operand),
            }
            position += then if holds[code] else otherwise


def _or_skip(sandbox: Sandbox, program: str) -> Execution:
    try:
        return sandbox.run(program)
    except SandboxUnavailableError as error:
        pytest.skip(f"no sandbox here: {error}")


def _script(folder: Path, body: str, interpreter: str = "#!/bin/sh\n") -> str:
    path = folder / "bwrap"
    path.write_text(interpreter + body + "\n", "utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def _processes_with(token: str) -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if token.encode() in path.read_bytes() and path.parent.name != str(os.getpid()):
                yield path.parent.name
        except OSError:
            continue


def test_limits_are_told_as_json() -> None:
    assert json.loads(Limits().model_dump_json())["memory_mib"] == 512
    with pytest.raises(ValueError, match="memory_mib"):
        Limits(memory_mib=1)
