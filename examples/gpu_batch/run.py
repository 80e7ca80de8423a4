"""A batch that does not fit into the GPU's memory halves itself, in three ways.

python examples/gpu_batch/run.py [--texts N]
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

if __name__ == "__main__":
    # as a file or as a module: what is imported is this repository's
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from examples.gpu_batch.device import HAS_TORCH, Counts, Device, value_of
from examples.gpu_batch.pipeline import DEVICE, Results, process
from surefoot import Run, Runtime

TEXTS = 100
GIANT = 57
"""This text is too long for the device even by itself."""


def texts_of(count: int) -> list[str]:
    """Short ones, some long ones among the later ones, and one that fits nowhere."""
    texts = []
    for index in range(count):
        words = 2000 if index == GIANT else 96 if index > 64 and index % 9 == 5 else 5 + index % 30
        texts.append(f"text {index} " + "lorem ipsum dolor " * (words // 3))
    return texts


def problems(texts: Sequence[str], device: Device, run: Run[Results]) -> Iterator[str]:
    """What does not fit, as sentences; nothing where all does."""
    if run.status != "completed":
        yield f"the run is {run.status}: {run.error}"
        return
    too_long = {index for index, text in enumerate(texts) if device.needs([text]) > device.memory}
    wanted = {i: value_of(text) for i, text in enumerate(texts) if i not in too_long}
    results = run.result
    if results.embedded != wanted:
        yield f"embed: {len(results.embedded)} results, or other ones than the {len(wanted)} due"
    if results.scores != list(wanted.values()):
        yield f"score: {len(results.scores)} results, or other ones than the {len(wanted)} due"
    if results.vowels != {"texts": len(wanted), "vowels": sum(wanted.values())}:
        yield f"vowels: {results.vowels}, not the sum of all parts"
    for task, counts in device.tasks.items():
        if set(counts.computed) != {texts[index] for index in wanted}:
            yield f"{task}: {len(counts.computed)} texts were computed, not {len(wanted)}"
        if not counts.refused:
            yield f"{task}: everything fitted at once, so nothing is shown"
        if counts.peak > device.memory:
            yield f"{task}: {counts.peak:.2f} GiB were in use, of {device.memory:.2f}"
        if task != "score" and counts.repeated:  # score starts anew with each size
            yield f"{task}: {counts.repeated} texts were computed twice"
    refused = sum(counts.refused for counts in device.tasks.values())
    known = sum(one.kind == "gpu_out_of_memory" for one in run.failures)
    if refused != known:
        yield f"{refused} times too large at the device, {known} times in the run"
    if not too_long:
        yield "every text fits by itself, so nothing is set aside"


def line(task: str, counts: Counts) -> str:
    sizes = f"{max(counts.sizes, default=0)}…{min(counts.sizes, default=0)}"
    return (
        f"  {task:<8}{counts.ran:>6}{counts.refused:>9}{len(counts.computed):>8}"
        f"{counts.repeated:>10}{sizes:>10}{counts.peak:>8.2f} GiB"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="batches that halve themselves")
    parser.add_argument("--texts", type=int, default=TEXTS)
    texts = texts_of(parser.parse_args().texts)
    logging.getLogger("surefoot").addHandler(logging.NullHandler())  # the table tells it
    with tempfile.TemporaryDirectory(prefix="surefoot-gpu-") as name:
        with Runtime(journal=Path(name) / "journal.db"):
            run: Run[Results] = process.start(texts)
    raised = run.failures[0].type if run.failures else "nothing"
    real = "torch's own" if HAS_TORCH else "a class of that name: torch is not installed"
    print(f"{len(texts)} texts, a pretended device of {DEVICE.memory:g} GiB")
    print(f"it raises {raised} ({real})")
    print("counted at the device:\n")
    print("  task      ran  refused   texts  repeated     sizes        peak")
    for task, counts in DEVICE.tasks.items():
        print(line(task, counts))
    found = list(problems(texts, DEVICE, run))
    if run.status == "completed":
        aside = len(texts) - len(run.result.embedded)
        print(f"\n{aside} text is too long by itself, and was set aside; all others are done.")
    for problem in found:
        print(f"WRONG: {problem}")
    if not found:
        print(
            "It fits: no text is missing, and none was computed twice but where score starts anew."
        )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
