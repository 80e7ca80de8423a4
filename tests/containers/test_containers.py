"""The container files: as they are they pass, and each rule is broken by a changed copy.

Where an engine answers, the image is built and run on a read-only root; elsewhere the files are checked,
and the test's name in the output says so.
"""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import check_containers as check  # noqa: E402

DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
IGNORED = (ROOT / ".dockerignore").read_text(encoding="utf-8")
COMPOSE = check.load(ROOT / "deploy" / "compose.yaml")


def engine() -> bool:
    try:
        done = subprocess.run(["docker", "info"], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def test_the_files_are_as_they_should_be() -> None:
    assert check.problems() == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("USER 10001:10001\n", ""),
        ("USER 10001:10001\n", "USER root\n"),
        ("HEALTHCHECK --interval=60s", "# HEALTHCHECK --interval=60s"),
        ('CMD ["surefoot", "doctor"]', "CMD surefoot doctor"),
        ('ENTRYPOINT ["surefoot"]\n', ""),
        ("FROM python:3.13-slim-trixie\n", "FROM python\n"),
        ("FROM python:3.13-slim-trixie AS build", "FROM python:latest AS build"),
        ("PYTHONDONTWRITEBYTECODE=1", "PYTHONDONTWRITEBYTECODE="),
        ("PYTHONUNBUFFERED=1", "PYTHONUNBUFFERED=1 API_TOKEN=abc"),
        ("COPY src ./src", "COPY secrets ./src"),
    ],
)
def test_a_dockerfile_that_breaks_a_rule_is_told(old: str, new: str) -> None:
    assert old in DOCKERFILE
    broken = DOCKERFILE.replace(old, new, 1)
    assert list(check.dockerfile_problems(broken, IGNORED, ROOT)) != []


def port(compose: Any) -> None:
    compose["services"]["postgres"]["ports"] = ["5432:5432"]


def health(compose: Any) -> None:
    del compose["services"]["grafana"]["healthcheck"]


def image(compose: Any) -> None:
    compose["services"]["toxiproxy"]["image"] = "ghcr.io/shopify/toxiproxy"


def writable(compose: Any) -> None:
    compose["services"]["surefoot"]["read_only"] = False


def root(compose: Any) -> None:
    compose["services"]["surefoot"]["user"] = "0:0"


def capabilities(compose: Any) -> None:
    del compose["services"]["surefoot"]["cap_drop"]


def password(compose: Any) -> None:
    compose["services"]["postgres"]["environment"]["POSTGRES_PASSWORD"] = "secret"


def in_a_url(compose: Any) -> None:
    compose["services"]["surefoot"]["environment"]["X"] = "postgresql://me:secret@postgres/x"


def more_rights(compose: Any) -> None:
    compose["services"]["prefect"]["privileged"] = True


def socket(compose: Any) -> None:
    compose["services"]["prefect"]["volumes"] = ["/var/run/docker.sock:/var/run/docker.sock"]


def missing(compose: Any) -> None:
    del compose["services"]["prefect"]


def impatient(compose: Any) -> None:
    compose["services"]["surefoot"]["depends_on"] = {"postgres": {"condition": "service_started"}}


@pytest.mark.parametrize(
    "change",
    [
        port,
        health,
        image,
        writable,
        root,
        capabilities,
        password,
        in_a_url,
        more_rights,
        socket,
        missing,
        impatient,
    ],
    ids=lambda change: change.__name__,
)
def test_a_compose_file_that_breaks_a_rule_is_told(change: Callable[[Any], None]) -> None:
    broken = copy.deepcopy(COMPOSE)
    change(broken)
    assert list(check.compose_problems(broken)) != []


def test_what_prometheus_asks_is_a_service() -> None:
    jobs = {"scrape_configs": [{"job_name": "x", "static_configs": [{"targets": ["nobody:1"]}]}]}
    assert list(check.prometheus_problems(jobs, COMPOSE)) == ["x: nobody:1 is no service"]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", ["built" if engine() else "no engine here: checked only"])
def test_the_image_is_built_and_runs_where_an_engine_is(how: str) -> None:
    if how != "built":
        assert check.problems() == []
        return
    build = ["docker", "build", "-q", "-f", "deploy/Dockerfile", "-t", "surefoot-test", "."]
    subprocess.run(build, cwd=ROOT, check=True, timeout=500)
    run = ["docker", "run", "--rm", "--read-only", "--tmpfs", "/tmp", "surefoot-test"]
    done = subprocess.run([*run, "doctor"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
