"""The Pythons of this machine: which there are, which is the main one.

Runs on any Python from 3.7, without dependencies: it is used before anything is installed.

    python3 tools/pythons.py            # lists what was found
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict, Iterator, Optional, Tuple, Union

Version = Tuple[int, int]

SUPPORTED = ((3, 10), (3, 11), (3, 12), (3, 13))
"""The versions that Surefoot is tested on. A newer one is used only where there is none of these."""

# Debian's python3 lacks ensurepip without python3-venv, and self-built ones may lack sqlite3 or ssl.
PROBE = (
    "import sys, ensurepip, sqlite3, ssl, venv\n"
    # From inside a virtual environment: the Python it was made of.
    "path = getattr(sys, '_base_executable', None) or sys.executable\n"
    "print(sys.version_info[0], sys.version_info[1], path, sep='\\n')"
)


def version_text(version: Version) -> str:
    """(3, 10) → "3.10"."""
    return "%d.%d" % version


def probe(command: Union[str, Path]) -> Optional[Tuple[Version, str]]:
    """((major, minor), path of the real interpreter), or None if it cannot make a venv."""
    try:
        done = subprocess.run(
            [str(command), "-c", PROBE],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.decode("utf-8", "replace").split("\n")
    if done.returncode != 0 or len(lines) < 3 or not lines[2]:
        return None
    return (int(lines[0]), int(lines[1])), lines[2]


def candidates() -> Iterator[Union[str, Path]]:
    """Commands that may be a Python, the machine's own choice first."""
    names = ["python3"] + ["python" + version_text(v) for v in reversed(SUPPORTED)]
    names += ["python3.15", "python3.14", "python"]
    for name in names:
        found = shutil.which(name)
        if found:
            yield found
    # A pyenv shim answers only for the version that is switched on; the others lie here.
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for folder in sorted(root.glob("versions/3.*"), reverse=True):
        yield folder / "bin" / "python"
    for prefix in ("/usr/local/bin", "/usr/bin", "/opt/homebrew/bin"):
        for version in reversed(SUPPORTED):
            yield Path(prefix) / ("python" + version_text(version))


def find() -> Dict[Version, str]:
    """{(3, 11): "/path/of/python", …} of every usable Python >= 3.10; the first found of each wins."""
    pythons: Dict[Version, str] = {}
    for command in candidates():
        found = probe(command)
        if found is not None and found[0] >= SUPPORTED[0]:
            pythons.setdefault(found[0], found[1])
    return pythons


def choose_main(pythons: Dict[Version, str]) -> Version:
    """The version for development and the demo: `python3` where it is 3.11–3.13, else the newest."""
    first = next(iter(pythons), None)  # in the order of candidates(): the machine's own choice
    if first in SUPPORTED[1:]:
        return first
    for version in tuple(reversed(SUPPORTED)) + tuple(sorted(pythons)):
        if version in pythons:
            return version
    sys.exit(
        "No usable Python was found. Surefoot needs CPython 3.10 or newer with venv, ensurepip, "
        "sqlite3 and ssl (on Debian: apt-get install python3-venv)."
    )


if __name__ == "__main__":
    every = find()
    main_version = choose_main(every)
    for version in sorted(set(every) | set(SUPPORTED)):
        print(
            version_text(version),
            every.get(version, "not on this machine"),
            "(main)" if version == main_version else "",
        )
