"""Two orders: one goes well, one cannot be shipped, and the process dies while it is undone.

python examples/payment_saga/run.py [--work DIR]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # as a file or as a module: what is imported is this repository's
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from examples.file_triage.loopback import ROOT, Service, path_of_children, service
from examples.payment_saga.check import expected_deeds, expected_undos, problems
from examples.payment_saga.receiver import NO_SUCH_PLACE, read_books
from examples.payment_saga.shop import Order

SHIPPED = Order("A17", ["teapot", "cups"], 4250, "Harbour Street 3")
REFUSED = Order("B42", ["lamp", "bulb", "shade"], 9900, NO_SUCH_PLACE)
KILLED_AT = 2
"""The undo of so many-th article: it is done, and the process never hears of it."""
PATIENCE = 20.0
"""Seconds until something that should happen is given up."""


class Shop:
    """The processes that do the work, on one journal."""

    def __init__(self, work: Path, url: str) -> None:
        self._work = work
        self._env = os.environ | {
            "SHOP_URL": url,
            "SUREFOOT_JOURNAL": f"sqlite:///{work / 'journal.db'}",
            "PYTHONPATH": path_of_children(),
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "examples.payment_saga.shop", *arguments]
        return subprocess.Popen(command, cwd=ROOT, env=self._env, text=True, stdout=subprocess.PIPE)

    def place(self, order: Order) -> subprocess.Popen[str]:
        path = self._work / f"{order.id}.json"
        path.write_text(json.dumps(asdict(order)), encoding="utf-8")
        return self.start("place", f"order-{order.id}", str(path))


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What a process said at its end.

    :raises RuntimeError: it said nothing; its own words are above.
    """
    said, _ = process.communicate(timeout=PATIENCE)
    if not said:
        raise RuntimeError(f"{' '.join(process.args)} ended with {process.returncode}")  # type: ignore[arg-type]
    told: dict[str, Any] = json.loads(said)
    return told


def wait_until(what: str, happens: Callable[[], bool]) -> None:
    """:raises RuntimeError: it did not happen in time."""
    until = time.monotonic() + PATIENCE
    while not happens():
        if time.monotonic() > until:
            raise RuntimeError(f"{what} did not happen within {PATIENCE:g} s")
        time.sleep(0.02)


def held(receiver: Service) -> bool:
    return ["release", "hold"] in receiver.get("/books")["asked"]


def story(work: Path) -> bool:
    """Place both orders, kill, finish, count. Whether it held."""
    books = work / "books.db"
    faults = ("charge:reset", "refund:503", f"release:hold:{KILLED_AT}")
    options = [part for fault in faults for part in ("--fault", fault)]
    module = "examples.payment_saga.receiver"
    with service(module, "--database", str(books), *options) as receiver:
        shop = Shop(work, receiver.url)
        told = ended(shop.place(SHIPPED))
        print(f"order {SHIPPED.id}: {told['status']} (the answer to its charge was lost)")

        dying = shop.place(REFUSED)
        try:
            wait_until("the second release", lambda: held(receiver))
        finally:
            dying.send_signal(signal.SIGKILL)
            dying.communicate()
        before = len(read_books(books)["applied"])
        print(f"order {REFUSED.id}: cannot be shipped; it is undone …")
        print(f"  … and SIGKILL ends process {dying.pid} in the middle (exit {dying.returncode})")

        told = ended(shop.start("undo", f"order-{REFUSED.id}"))
        print(f"  a second process goes on: {told['status']}")
        for step, state in told["undone"]:
            print(f"    {step:<8} {state}")
        print(f"  {len(read_books(books)['applied']) - before} undo left for it to do")
    return summary(read_books(books))


def summary(books: dict[str, Any]) -> bool:
    """The numbers, counted at the receiver; whether they fit."""
    wanted = expected_deeds(SHIPPED, True) + expected_deeds(REFUSED, False)
    wanted += expected_undos(REFUSED)
    print("\ncounted at the receiver, in the order in which it was done:")
    for business in dict.fromkeys([*books["applied"], *wanted]):
        print(f"  {books['applied'].count(business)} ×  {business}")
    asked = Counter(status for _, status in books["asked"])
    refused = asked["422"] + asked["503"]
    again = len(books["asked"]) - refused - len(books["applied"])
    print(
        f"  {len(books['asked'])} requests: {len(books['applied'])} deeds, {refused} refused, "
        f"{again} asked again under its key and not done again"
    )
    found = list(problems(SHIPPED, REFUSED, books))
    for problem in found:
        print(f"WRONG: {problem}")
    if not found:
        print("It held: everything done once, undone once, the last one first.")
    return not found


def main() -> int:
    parser = argparse.ArgumentParser(description="a payment saga that is rolled back")
    parser.add_argument("--work", type=Path, help="a folder to keep; else one that is removed")
    given = parser.parse_args()
    if given.work is not None:
        given.work.mkdir(parents=True, exist_ok=True)
        return 0 if story(given.work.resolve()) else 1
    with tempfile.TemporaryDirectory(prefix="surefoot-saga-") as name:
        return 0 if story(Path(name)) else 1


if __name__ == "__main__":
    sys.exit(main())
