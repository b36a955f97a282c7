"""The first program inside the sandbox: it takes the limits on itself, gives up its rights, then runs the code.

`sandbox.py` passes this file's text to `python -c` within bubblewrap; nothing imports it there or here. It uses
the standard library only. The order matters: limits first, then the user, then code that nobody has read.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import types


def main() -> None:
    """Read {"limits": {RLIMIT name: value}, "user": number or null} from argv, the code from standard input."""
    settings = json.loads(sys.argv[1])
    program = sys.stdin.buffer.read()
    os.close(0)
    os.open("/dev/null", os.O_RDONLY)
    for name, value in settings["limits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
    if settings["user"] is not None:
        os.setgroups([])
        os.setgid(settings["user"])
        os.setuid(settings["user"])
    os.write(1, settings["ready"].encode())
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    sys.argv = ["program"]
    # Compiled under the limits too: a few lines of source can make the compiler itself grow without end.
    exec(compile(program, "<program>", "exec", dont_inherit=True), module.__dict__)


if __name__ == "__main__":
    main()
