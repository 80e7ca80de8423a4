"""Makes a virtual environment and installs Surefoot into it; does nothing where that is done.

    python3 tools/bootstrap.py dev            # .venv with everything for development
    python3 tools/bootstrap.py demo           # .venv with what `make demo` needs, and no more
    python3 tools/bootstrap.py test 3.12      # .venvs/3.12 with the light core and its tests' tools
    python3 tools/bootstrap.py catalog        # .venvs/catalog with all libraries of the catalog
    python3 tools/bootstrap.py proxy          # .venvs/proxy with Toxiproxy's clients
    python3 tools/bootstrap.py chaostoolkit   # .venvs/chaostoolkit with Chaos Toolkit
    python3 tools/bootstrap.py stores         # .venvs/stores with a real Postgres and an S3 server
    python3 tools/bootstrap.py prefect        # .venvs/prefect; so are airflow3 and airflow2

What is installed is remembered in a stamp that holds a digest of pyproject.toml's upper half, the
constraints, the Python version and this folder's path: change one, and the next call installs anew.

Runs on any Python from 3.7, without dependencies.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Iterator, Optional

from pythons import Version, choose_main, find, version_text

ROOT = Path(__file__).resolve().parent.parent
TOOL_SETTINGS = "# ==== settings of tools"
COVERED_BY = {
    "demo": ("demo", "dev"),
    "dev": ("dev",),
    "test": ("test", "dev"),
    "catalog": ("catalog",),
    "proxy": ("proxy",),
    "chaostoolkit": ("chaostoolkit",),
    "stores": ("stores",),
    "prefect": ("prefect",),
    "airflow3": ("airflow3",),
    "airflow2": ("airflow2",),
}
"""A profile is there, too, where a larger one is."""


APART = ("airflow2", "airflow3", "catalog", "chaostoolkit", "prefect", "proxy", "stores")
"""Profiles with an environment and constraints of their own: .venvs/<profile>."""

EXTRAS = {
    "chaostoolkit": "chaostoolkit,test",
    "prefect": "prefect,test,demo",
    "airflow3": "airflow,test,demo",
    "airflow2": "airflow,test,demo",
}
"""What a profile installs, where that is more than the extra of its name: users have that extra, too."""


def constraints(version: Version, profile: str) -> Optional[Path]:
    """The tested versions for this Python; None for a Python nobody has locked yet."""
    apart = profile + "-" if profile in APART else ""
    path = ROOT / "constraints" / ("%spy%s.txt" % (apart, version_text(version)))
    return path if path.exists() else None


def fingerprint(version: Version, profile: str) -> str:
    """Whatever an installation depends on, as a digest."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split(TOOL_SETTINGS)[0]
    pins = constraints(version, profile)
    parts = [
        project,
        pins.read_text(encoding="utf-8") if pins else "",
        version_text(version),
        str(ROOT),  # an editable installation points here, and so do the scripts' first lines
    ]
    return hashlib.sha256("\0".join(parts).encode("utf-8")).hexdigest()


def stamp(venv: Path, profile: str) -> Path:
    return venv / (".installed-" + profile)


def python_of(venv: Path) -> Path:
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def installed(venv: Path, profile: str, digest: str) -> bool:
    """Whether the profile, or a larger one, was installed from exactly these files."""
    if not python_of(venv).exists():
        return False
    for larger in COVERED_BY[profile]:
        try:
            if stamp(venv, larger).read_text(encoding="utf-8") == digest:
                return True
        except OSError:
            continue
    return False


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """One installation into an environment at a time: two `make`s may run at once."""
    folder = ROOT / ".venvs"
    folder.mkdir(exist_ok=True)
    with (folder / (name + ".lock")).open("w") as handle:
        try:
            import fcntl
        except ImportError:  # Windows: no lock, as before
            yield
            return
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def version_of(venv: Path) -> Optional[Version]:
    """The environment's Python version; None if it is missing, broken or copied from elsewhere."""
    pip = venv / "bin" / "pip"
    try:
        first_line = pip.read_text(encoding="utf-8", errors="replace").split("\n")[0]
        done = subprocess.run(
            [str(python_of(venv)), "-c", "import sys; print(*sys.version_info[:2])"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    except OSError:
        return None
    words = done.stdout.split()
    # A long path does not fit a "#!" line: pip then writes the path on the next one.
    moved = str(venv) not in first_line and first_line != "#!/bin/sh"
    if done.returncode != 0 or len(words) != 2 or moved:
        return None
    return int(words[0]), int(words[1])


def run(command: list[str]) -> None:
    """Runs a command; on failure shows what it said and ends."""
    environment = dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1")
    done = subprocess.run(
        command,
        cwd=str(ROOT),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode != 0:
        sys.stderr.write(done.stdout.decode("utf-8", "replace"))
        sys.exit(
            "set-up failed: %s\nIs the package index reachable? A second `make` goes on from here."
            % " ".join(command)
        )


def choose(wanted: Optional[Version]) -> tuple[Version, str]:
    """The version asked for (or the main one), and its interpreter."""
    pythons = find()
    version = wanted or choose_main(pythons)
    if version not in pythons:
        sys.exit("there is no usable Python %s on this machine" % version_text(version))
    return version, pythons[version]


def install(profile: str, venv: Path, wanted: Optional[Version] = None) -> None:
    """Brings the environment to the profile; quick where nothing is to be done."""
    version = version_of(venv)
    if version and installed(venv, profile, fingerprint(version, profile)):
        return
    with locked(venv.name.lstrip(".")):
        version = version_of(venv)  # another process may have made it meanwhile
        if version and installed(venv, profile, fingerprint(version, profile)):
            return
        started = time.time()
        shown = os.path.relpath(str(venv), str(ROOT))
        if version is None or (wanted and version != wanted):
            version, interpreter = choose(wanted)
            if venv.exists():
                shutil.rmtree(str(venv))
            say("making %s with Python %s …" % (shown, version_text(version)))
            run([interpreter, "-m", "venv", str(venv)])
        say("installing %s into %s …" % (profile, shown))
        command = [str(python_of(venv)), "-m", "pip", "install", "-qq", "--prefer-binary"]
        pins = constraints(version, profile)
        if pins:
            command += ["-c", str(pins)]
        run([*command, "-e", ".[%s]" % EXTRAS.get(profile, profile)])
        stamp(venv, profile).write_text(fingerprint(version, profile), encoding="utf-8")
        say("%s is ready after %.0f s" % (shown, time.time() - started))


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str]) -> None:
    if not arguments or arguments[0] not in COVERED_BY or len(arguments) > 2:
        sys.exit("usage: bootstrap.py demo|dev|catalog|chaostoolkit|proxy|test [3.X]")
    if len(arguments) == 1:
        apart = arguments[0] in APART
        install(arguments[0], ROOT / ".venvs" / arguments[0] if apart else ROOT / ".venv")
        return
    major, _, minor = arguments[1].partition(".")
    install(arguments[0], ROOT / ".venvs" / arguments[1], (int(major), int(minor)))


if __name__ == "__main__":
    main(sys.argv[1:])
