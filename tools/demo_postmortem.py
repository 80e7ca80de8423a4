"""Writes the example of docs/postmortem.md anew: runs the demo (examples/file_triage: half a minute,
two SIGKILLs) and keeps the postmortem of that run as Markdown and HTML.

    python tools/demo_postmortem.py                # docs/examples/postmortem-demo.{md,html}
    python tools/demo_postmortem.py --to FOLDER

What is this machine's own (folders, the host's name) is replaced by made-up names; where some of it
is left, nothing is written.
"""

from __future__ import annotations

import argparse
import getpass
import os
import platform
import re
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from surefoot import Runtime
from surefoot.postmortem.as_html import to_html
from surefoot.postmortem.as_markdown import to_markdown
from surefoot.postmortem.building import each_text, postmortem_of
from surefoot.postmortem.model import Postmortem

ROOT = Path(__file__).resolve().parent.parent
WRITES = {"postmortem-demo.md": to_markdown, "postmortem-demo.html": to_html}


def run_demo(work: Path, files: int) -> Path:
    """The folder of a demo's run.

    :raises SystemExit: the demo failed; its last page is told.
    """
    command = [sys.executable, str(ROOT / "examples" / "file_triage" / "demo.py")]
    command += ["--work", str(work), "--files", str(files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    folders = sorted(work.glob("demo-*"))
    if done.returncode != 0 or not folders:
        raise SystemExit(f"the demo ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return folders[-1]


def read(folder: Path) -> Postmortem:
    with Runtime(journal=folder / "journal.db", create=False) as runtime:
        return postmortem_of(
            runtime.journal,
            folder.name,
            kinds=runtime.catalog.kinds,
            scrub=runtime.scrub,
            scrub_text=runtime.scrub_text,
        )


def own(folder: Path) -> Iterator[tuple[str, str]]:
    """(what is this machine's own, what stands for it), the more special first."""
    version = ".".join(str(part) for part in sys.version_info[:2])
    paths = sysconfig.get_paths()
    yield str(folder), "/srv/triage/demo"
    yield folder.name, "demo"
    yield paths["purelib"], f"/srv/venv/lib/python{version}/site-packages"
    yield paths["platlib"], f"/srv/venv/lib/python{version}/site-packages"
    yield sys.prefix, "/srv/venv"
    yield str(ROOT), "/srv/surefoot"
    yield str(Path(os.__file__).parent), f"/usr/lib/python{version}"
    yield sys.base_prefix, "/usr"
    yield str(Path.home()), "/home/ada"
    yield tempfile.gettempdir(), "/srv/tmp"
    yield platform.node(), "worker-1"


def neutral(made: Postmortem, folder: Path) -> Postmortem:
    """The same without what is this machine's own."""
    pairs = [pair for pair in own(folder) if len(pair[0]) > 3]

    def change(text: str) -> str:
        for mine, instead in pairs:
            text = text.replace(mine, instead)
        return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8080", text)

    made = each_text(made, change)
    causes = tuple(
        replace(
            one,
            environment=replace(one.environment, host="worker-1", pid=4711, git_branch="main"),
        )
        if one.environment is not None and one.environment.host is not None
        else one
        for one in made.causes
    )
    return replace(made, causes=causes)


def left(text: str, folder: Path) -> list[str]:
    """What of this machine is in it all the same."""
    words = {mine for mine, _ in own(folder) if len(mine) > 4 and mine != "/usr"}
    words |= {str(ROOT.parent), str(Path.home())} - {"/", ""}
    user = getpass.getuser()
    if user not in ("root", "user"):
        words.add(user)
    return sorted(word for word in words if word in text)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--to", type=Path, default=ROOT / "docs" / "examples")
    parser.add_argument("--files", type=int, default=300)
    given = parser.parse_args(arguments)
    os.environ["TZ"] = "UTC"  # the page names its zone, and that would be this machine's
    time.tzset()
    with tempfile.TemporaryDirectory() as work:
        folder = run_demo(Path(work).resolve(), given.files)
        made = neutral(read(folder), folder)
        pages = {name: write(made) for name, write in WRITES.items()}
        for name, text in pages.items():
            found = left(text, folder)
            if found:
                print(f"{name} is not written: it tells of this machine: {found}", file=sys.stderr)
                return 1
    given.to.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (given.to / name).write_text(text, encoding="utf-8")
        print(f"{given.to / name}: {len(text):,} characters")
    return 0


if __name__ == "__main__":
    sys.exit(main())
