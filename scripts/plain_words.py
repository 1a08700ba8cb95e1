"""Check that text says things plainly: `python scripts/plain_words.py [PATH ...]`.

Each line of `plain_words.txt` is a pattern and what to write instead. Exit 1 names file and line
of every match in the tracked files (or in the paths given).
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RULES = Path(__file__).with_suffix(".txt")
SUFFIXES = {".py", ".json", ".md", ".html", ".j2", ".js", ".yaml", ".yml", ".tpl", ".txt", ".toml"}
EXEMPT = ("scripts/plain_words", "tests/docs/test_docs_plain_words.py", "CHANGELOG.md", "LICENSE")


def rules(text: str) -> list[tuple[re.Pattern[str], str]]:
    """Return pattern and advice of each rule; a pattern ends at the first tab."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [
        (re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE), advice.strip())
        for pattern, _, advice in (line.partition("\t") for line in lines)
    ]


def matches(text: str, found: Iterable[tuple[re.Pattern[str], str]]) -> Iterator[tuple[int, str]]:
    """Yield line number and message of each match."""
    found = list(found)
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, advice in found:
            match = pattern.search(line)
            if match:
                yield number, f'"{match[0]}": {advice}'


def files(paths: list[str]) -> list[Path]:
    """Return the tracked text files below the paths."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *paths]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = [name for name in done.stdout.splitlines() if not name.startswith(EXEMPT)]
    return [
        ROOT / name for name in names if Path(name).suffix in SUFFIXES and (ROOT / name).is_file()
    ]


def main(paths: list[str]) -> int:
    """Print every match; return 1 if there is one."""
    checked = rules(RULES.read_text())
    count = 0
    for path in files(paths):
        for number, message in matches(path.read_text(), checked):
            print(f"{path.relative_to(ROOT)}:{number}: {message}")
            count += 1
    return min(count, 1)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
