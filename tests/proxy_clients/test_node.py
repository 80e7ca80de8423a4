"""``toxiproxy-node-client`` of npm, installed into an ignored folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.proxy.servers import Server

HERE = Path(__file__).resolve().parent / "node"
FOLDER = Path(__file__).resolve().parents[2] / ".venvs" / "proxy-node"


@pytest.fixture(scope="module")
def installed() -> Path:
    """A folder with the client in its node_modules."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have Node and npm for this test")
        pytest.skip("Node and npm are not on this machine")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "client.cjs"):
        shutil.copy(HERE / name, FOLDER / name)
    command = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, f"npm install failed; is the registry reachable?\n{done.stderr}"
    return FOLDER


def test_the_node_client_finds_all_that_it_looks_for(
    installed: Path, url: str, upstream: Server
) -> None:
    done = subprocess.run(
        ["node", "client.cjs"],
        cwd=installed,
        env={**os.environ, "TOXIPROXY_URL": url, "UPSTREAM": upstream.address},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    source = (HERE / "client.cjs").read_text(encoding="utf-8")
    checks = json.loads(done.stdout)
    assert len(checks) == source.count("(toxiproxy) {") == 8
