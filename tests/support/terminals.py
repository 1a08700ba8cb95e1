"""The command on a pseudoterminal, as a person sees it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys


def on_terminal(*arguments: str, answer: str = "") -> tuple[int, str]:
    """Run the command on a terminal of 100 columns; return its exit code and what it shows."""
    leader, follower = pty.openpty()
    env = os.environ | {"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "simulacra", *arguments]
    done = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=env)
    os.close(follower)
    shown = b""
    while True:
        try:
            piece = os.read(leader, 4096)
        except OSError:  # the program has ended
            break
        shown += piece
        if answer and shown.rstrip().endswith(b"[y/N]:"):
            os.write(leader, answer.encode())
            answer = ""
    os.close(leader)
    return done.wait(60), shown.decode().replace("\r", "")
