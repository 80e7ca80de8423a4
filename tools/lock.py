"""Writes constraints/: the newest versions of everything `dev` needs, for each Python, and of what
the environments of their own need, for the main one.

    make lock

What the tests ran with is what the next machine gets. Nothing is installed; pip only resolves.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from pathlib import Path

from bootstrap import APART, EXTRAS
from pythons import SUPPORTED, choose_main, find, version_text

ROOT = Path(__file__).resolve().parent.parent
BESIDE = {
    "airflow2": ("apache-airflow>=2.11,<3",),
    "airflow3": ("apache-airflow>=3.3,<4",),
    # Prefect 3.9.1 wants a certifi that not every mirror has yet; with fastapi 0.151 it does not start.
    "prefect": ("prefect<3.9", "fastapi<0.151"),
}
"""What else an environment asks for: two Airflows cannot be told apart by an extra."""


def resolve(
    interpreter: str, folder: Path, extra: str = "dev", beside: tuple[str, ...] = ()
) -> dict[str, str]:
    """{name: version} of all that `pip install -e .[extra] …` would install into an empty place."""
    report = folder / "report.json"
    python = folder / "venv" / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "-qq"]
    subprocess.run([interpreter, "-m", "venv", str(folder / "venv")], check=True)
    subprocess.run([*pip, "-U", "pip"], check=True)  # old ones write no report
    subprocess.run(
        [*pip, "--dry-run", "--ignore-installed", "--report", str(report), f".[{extra}]", *beside],
        check=True,
        cwd=ROOT,
    )
    return versions(report)


def versions(report: Path) -> dict[str, str]:
    """The names and versions of a pip report, without Surefoot itself."""
    entries = [item["metadata"] for item in json.loads(report.read_text())["install"]]
    found = {re.sub(r"[-_.]+", "-", e["name"]).lower(): e["version"] for e in entries}
    found.pop("surefoot", None)
    # A local version ("+cpu") exists on one index only.
    return {name: version.split("+")[0] for name, version in sorted(found.items())}


def write(version: str, pins: dict[str, str], apart: str = "") -> None:
    path = ROOT / "constraints" / f"{apart}py{version}.txt"
    lines = [f"# Versions tested on Python {version}; written by `make lock`."]
    lines += [f"{name}=={pin}" for name, pin in pins.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{path.relative_to(ROOT)}: {len(pins)} packages")


if __name__ == "__main__":
    for version, interpreter in find().items():
        if version in SUPPORTED:
            with tempfile.TemporaryDirectory() as folder:
                write(version_text(version), resolve(interpreter, Path(folder)))
    main = choose_main(find())
    for profile in APART:
        with tempfile.TemporaryDirectory() as folder:
            extra, beside = EXTRAS.get(profile, profile), BESIDE.get(profile, ())
            pins = resolve(find()[main], Path(folder), extra, beside)
            write(version_text(main), pins, f"{profile}-")
