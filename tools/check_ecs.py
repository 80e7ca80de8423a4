"""Holds tests/log_libs/ecs_fields.py to the definitions that Elastic publishes, as npm's @elastic/ecs.

    python tools/check_ecs.py

Needs npm and node, and fetches the package into a temporary folder. It is no part of the tests.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.log_libs.ecs_fields import FIELDS, OF_SUREFOOT, TYPES_OF_PROCESS  # noqa: E402

READ = """
const ecs = require(process.argv[1]);
console.log(JSON.stringify({version: ecs.EcsVersion, fields: ecs.EcsFlat}));
"""


def published(folder: Path) -> tuple[str, dict[str, Any]]:
    """(version, {dotted name: definition}) of the newest release."""
    subprocess.run(["npm", "pack", "--silent", "@elastic/ecs"], cwd=folder, check=True)
    (package,) = folder.glob("*.tgz")
    with tarfile.open(package) as archive:
        archive.extractall(folder, filter="data")
    main = folder / "package" / "build" / "commonjs" / "index.js"
    told = subprocess.run(
        ["node", "-e", READ, str(main)], check=True, capture_output=True, text=True
    ).stdout
    read = json.loads(told)
    return read["version"], read["fields"]


def differences(fields: dict[str, Any]) -> list[str]:
    found = []
    for name, ours in FIELDS.items():
        theirs = fields.get(name)
        if theirs is None:
            found.append(f"{name} is not among them")
            continue
        allowed = {value["name"] for value in theirs.get("allowed_values", ())}
        if theirs["type"] != ours.type:
            found.append(f"{name} is a {theirs['type']}, not a {ours.type}")
        if ("array" in theirs.get("normalize", ())) != ours.array:
            found.append(f"{name}: whether it is a list")
        if allowed != ours.allowed:
            found.append(f"{name} may be {sorted(allowed)}")
    (process,) = (v for v in fields["event.category"]["allowed_values"] if v["name"] == "process")
    if set(process["expected_event_types"]) != TYPES_OF_PROCESS:
        found.append(f"event.type of a process may be {process['expected_event_types']}")
    found += [f"{n} is a field of theirs" for n in fields if n.split(".")[0] == "surefoot"]
    assert OF_SUREFOOT
    sys.path.insert(0, str(ROOT / "src"))
    from surefoot.observe.ecs import OBJECTS

    objects = {name.split(".")[0] for name in fields if "." in name}
    found += [f"ECS has the object {name}" for name in sorted(objects - OBJECTS)]
    found += [f"ECS has no object {name}" for name in sorted(OBJECTS - objects)]
    return found


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        version, fields = published(Path(folder))
    found = differences(fields)
    for one in found:
        print(one)
    print(f"@elastic/ecs {version}: {len(FIELDS)} fields looked at, {len(found)} differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
