"""Checks the container files of deploy/ without a container engine.

    python tools/check_containers.py

What hadolint and the schema of compose files do not know: that the image runs as nobody in particular, on
a root file system that is read-only, that no port is open to the network, and the like. Each rule is a
function from what a file says to what is wrong with it; tests/containers shows each of them a file that
breaks it.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped,import-not-found,unused-ignore]

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"

SERVICES = {"surefoot", "postgres", "prometheus", "grafana", "toxiproxy", "prefect"}
CONDITIONS = {"service_healthy", "service_completed_successfully", "service_started"}
SECRET_NAME = re.compile(r"PASS(?!FILE)|TOKEN|SECRET|CREDENTIAL|(?:API|PRIVATE|ACCESS)_?KEY", re.I)
PASSWORD_IN_URL = re.compile(r"\w+://[^\s/@:]*:[^\s/@]+@")
REGISTRY = re.compile(
    r"--(?:extra-)?index-url|--trusted-host|--find-links|PIP_\w*INDEX|\spip.*\s-i\s", re.I
)


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile: ``RUN``, and what stands after it on one line."""

    name: str
    value: str


# -- the Dockerfile -------------------------------------------------------------------------------


def instructions(text: str) -> list[Instruction]:
    r"""The instructions of a Dockerfile, without comments, each on one line.

    >>> instructions("# as nobody\nUSER 1:1\nRUN a \\\n  && b\n")
    [Instruction(name='USER', value='1:1'), Instruction(name='RUN', value='a && b')]
    """
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\s*\n\s*", "", "\n".join(lines))
    found = []
    for line in joined.splitlines():
        name, _, value = line.strip().partition(" ")
        if name:
            found.append(Instruction(name.upper(), value.strip()))
    return found


def stages(text: str) -> list[list[Instruction]]:
    """The instructions from each FROM to the next one; an ARG before the first FROM is dropped."""
    found: list[list[Instruction]] = []
    for one in instructions(text):
        if one.name == "FROM":
            found.append([])
        if found:
            found[-1].append(one)
    return found


def environment(stage: list[Instruction]) -> dict[str, str]:
    """What the ENV instructions of a stage set."""
    pairs = [
        word.partition("=") for one in stage if one.name == "ENV" for word in shlex.split(one.value)
    ]
    return {name: value for name, _, value in pairs}


def dockerfile_problems(text: str, ignored: str, root: Path = ROOT) -> Iterator[str]:
    """What is wrong with the Dockerfile ``text``; ``ignored`` is the text of .dockerignore."""
    parts = stages(text)
    if len(parts) < 2:
        yield "one stage: what builds would be in the image"
        return
    last = parts[-1]
    yield from _bases(parts)
    yield from _user(last)
    yield from _health(last)
    yield from _entry(last)
    yield from _read_only(last)
    yield from _built_elsewhere(last)
    yield from _nothing_secret(parts)
    yield from _copies(parts, ignored, root)


def _values(stage: list[Instruction], name: str) -> list[str]:
    return [one.value for one in stage if one.name == name]


def pinned(image: str) -> bool:
    """Whether an image has a version: a digest, or a tag with a number in it."""
    if "@sha256:" in image:
        return True
    tag = image.rpartition("/")[2].partition(":")[2]
    return bool(re.search(r"\d", tag))


def _bases(parts: list[list[Instruction]]) -> Iterator[str]:
    names = set()
    for stage in parts:
        words = stage[0].value.split()
        if words[0] not in names and not pinned(words[0]):
            yield f"FROM {words[0]}: no version"
        if len(words) == 3:
            names.add(words[2])


def _user(last: list[Instruction]) -> Iterator[str]:
    users = _values(last, "USER") or [""]
    if not re.fullmatch(r"[1-9]\d*(?::[1-9]\d*)?", users[-1]):
        # A number: an orchestrator that forbids root cannot look a name up.
        yield f"USER {users[-1] or 'is missing'}: not the number of a user other than root"


def _exec_form(value: str) -> list[str] | None:
    try:
        words = json.loads(value)
    except ValueError:
        return None
    return words if isinstance(words, list) else None


def _health(last: list[Instruction]) -> Iterator[str]:
    checks = _values(last, "HEALTHCHECK")
    if not checks:
        yield "HEALTHCHECK is missing"
        return
    options, _, command = checks[-1].partition("CMD ")
    if _exec_form(command) != ["surefoot", "doctor"]:
        yield "HEALTHCHECK is not `surefoot doctor` in exec form"
    if not {"--interval", "--timeout", "--retries"} <= {
        one.partition("=")[0] for one in options.split()
    }:
        yield "HEALTHCHECK without an interval, a timeout or a number of retries"


def _entry(last: list[Instruction]) -> Iterator[str]:
    if [_exec_form(value) for value in _values(last, "ENTRYPOINT")] != [["surefoot"]]:
        # Through a shell, SIGTERM would not reach it.
        yield "ENTRYPOINT is not surefoot in exec form"


def _read_only(last: list[Instruction]) -> Iterator[str]:
    env = environment(last)
    volumes = [
        word for value in _values(last, "VOLUME") for word in _exec_form(value) or value.split()
    ]
    places = [f"{one.rstrip('/')}/" for one in ["/tmp", *volumes]]
    if env.get("PYTHONDONTWRITEBYTECODE") != "1":
        yield "PYTHONDONTWRITEBYTECODE is not 1: Python would write beside the code"
    if not any(f"{env.get('HOME')}/".startswith(place) for place in places):
        yield "HOME is neither in /tmp nor in a volume"
    journal = env.get("SUREFOOT_JOURNAL", "")
    path = journal.removeprefix("sqlite:///")
    if path == journal or not any(path.startswith(place) for place in places[1:]):
        yield "SUREFOOT_JOURNAL is not a SQLite file in a volume"


def _built_elsewhere(last: list[Instruction]) -> Iterator[str]:
    for value in _values(last, "RUN"):
        if re.search(r"\b(?:pip|apt-get|apt|curl|wget)\b", value):
            yield f"the last stage installs something: RUN {value}"
    if not any("--from=" in value for value in _values(last, "COPY")):
        yield "the last stage takes nothing over from the first"
    labels = " ".join(_values(last, "LABEL"))
    for name in ("title", "description", "licenses"):
        if f"org.opencontainers.image.{name}=" not in labels:
            yield f"the label org.opencontainers.image.{name} is missing"


def _nothing_secret(parts: list[list[Instruction]]) -> Iterator[str]:
    for one in (one for stage in parts for one in stage):
        if one.name in ("ENV", "ARG"):
            for word in shlex.split(one.value):
                if SECRET_NAME.search(word.partition("=")[0]):
                    yield f"a secret in the image: {one.name} {word.partition('=')[0]}"
        if PASSWORD_IN_URL.search(one.value):
            yield f"a password in a URL: {one.name}"
        if REGISTRY.search(one.value):
            yield f"the address of a package registry: {one.name}"


def _copies(parts: list[list[Instruction]], ignored: str, root: Path) -> Iterator[str]:
    lines = [line.strip() for line in ignored.splitlines() if line.strip()]
    if "*" not in lines:
        yield ".dockerignore does not begin with leaving everything out"
    let_in = {line[1:] for line in lines if line.startswith("!")}
    for one in (one for stage in parts for one in stage):
        if one.name == "ADD":
            yield "ADD fetches and unpacks: use COPY"
        if one.name != "COPY" or "--from=" in one.value:
            continue
        for source in one.value.split()[:-1]:
            if source.startswith("--"):
                continue
            if not (root / source).exists() or source in (".", "./"):
                yield f"COPY {source}: not a file or folder of the checkout"
            elif not any(source == name or source.startswith(f"{name}/") for name in let_in):
                yield f"COPY {source}: .dockerignore leaves it out"


# -- the compose file -----------------------------------------------------------------------------


def compose_problems(compose: dict[str, Any], folder: Path = DEPLOY) -> Iterator[str]:
    """What is wrong with a compose file that lies in ``folder``."""
    services = compose["services"]
    for name in sorted(SERVICES - set(services)):
        yield f"{name}: no such service"
    for name, service in services.items():
        for problem in _service_problems(name, service, compose, folder):
            yield f"{name}: {problem}"
    for name, secret in compose.get("secrets", {}).items():
        if not str(secret.get("file", "")).startswith("./secrets/"):
            yield f"the secret {name} is not a file in ./secrets, which git ignores"
    if "surefoot" in services:
        for problem in _surefoot_problems(services["surefoot"]):
            yield f"surefoot: {problem}"


def _service_problems(
    name: str, service: dict[str, Any], compose: dict[str, Any], folder: Path
) -> Iterator[str]:
    if "build" not in service:  # ours has its own health check; see the Dockerfile
        check = service.get("healthcheck", {})
        if not check.get("test") or check.get("disable") or check["test"] in ("NONE", ["NONE"]):
            yield "no health check"
    if not pinned(service.get("image", "")):
        yield f"the image {service.get('image')} has no version"
    for port in service.get("ports", []):
        if not (isinstance(port, str) and port.startswith("127.0.0.1:")):
            yield f"the port {port} is not bound to 127.0.0.1"
    if "no-new-privileges:true" not in service.get("security_opt", []):
        yield "without no-new-privileges"
    if service.get("privileged") or service.get("network_mode") == "host" or service.get("cap_add"):
        yield "has more rights than it needs"
    yield from _mounts(service, compose, folder)
    yield from _waits(service, compose)
    for key, value in service.get("environment", {}).items():
        if (
            SECRET_NAME.search(key)
            and not key.endswith("_FILE")
            and str(value) not in ("true", "false")
        ):
            yield f"{key} holds a secret"
        if PASSWORD_IN_URL.search(str(value)):
            yield f"{key} has a password in a URL"


def _mounts(service: dict[str, Any], compose: dict[str, Any], folder: Path) -> Iterator[str]:
    for volume in service.get("volumes", []):
        source, _, rest = str(volume).partition(":")
        if "docker.sock" in source:
            yield "has the engine's socket"
        elif source.startswith("."):
            if not (folder / source).exists():
                yield f"{source} is mounted and does not exist"
            if not rest.endswith(":ro"):
                yield f"{source} can be written to"
        elif source not in compose.get("volumes", {}):
            yield f"the volume {source} is not declared"
    for secret in service.get("secrets", []):
        if secret not in compose.get("secrets", {}):
            yield f"the secret {secret} is not declared"


def _waits(service: dict[str, Any], compose: dict[str, Any]) -> Iterator[str]:
    wanted = service.get("depends_on", {})
    if not isinstance(wanted, dict):
        yield "depends_on without conditions"
        return
    for other, how in wanted.items():
        if how.get("condition") not in CONDITIONS - {"service_started"}:
            yield f"does not wait until {other} is healthy"
        if other not in compose["services"]:
            yield f"waits for {other}, which is not there"


def _surefoot_problems(service: dict[str, Any]) -> Iterator[str]:
    if service.get("read_only") is not True:
        yield "its root file system can be written to"
    if "/tmp" not in service.get("tmpfs", []):
        yield "no tmpfs on /tmp"
    if service.get("cap_drop") != ["ALL"]:
        yield "keeps capabilities"
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", str(service.get("user", ""))):
        yield "user is not the number of a user other than root"
    env = service.get("environment", {})
    if not str(env.get("SUREFOOT_JOURNAL", "")).startswith("postgresql://"):
        yield "its journal is not in Postgres"
    secrets = [f"/run/secrets/{name}" for name in service.get("secrets", [])]
    if env.get("PGPASSFILE") not in secrets:
        yield "PGPASSFILE is none of its secrets"


# -- Prometheus and Grafana -----------------------------------------------------------------------


def prometheus_problems(prometheus: dict[str, Any], compose: dict[str, Any]) -> Iterator[str]:
    """Targets that no service of the compose file stands for."""
    for job in prometheus["scrape_configs"]:
        for target in (one for group in job["static_configs"] for one in group["targets"]):
            host = target.partition(":")[0]
            if host not in compose["services"] and host != "127.0.0.1":
                yield f"{job['job_name']}: {target} is no service"


def grafana_problems(folder: Path, compose: dict[str, Any]) -> Iterator[str]:
    """Data sources that lead nowhere, panels without one, folders that are not mounted."""
    known = set()
    for path in sorted((folder / "provisioning" / "datasources").glob("*.yaml")):
        for source in load(path)["datasources"]:
            known.add(source["uid"])
            host = source["url"].partition("//")[2].partition(":")[0]
            if host not in compose["services"]:
                yield f"{source['name']}: {source['url']} is no service"
    mounted = [volume.split(":")[1] for volume in compose["services"]["grafana"]["volumes"]]
    for path in sorted((folder / "provisioning" / "dashboards").glob("*.yaml")):
        for provider in load(path)["providers"]:
            if provider["options"]["path"] not in mounted:
                yield f"{path.name}: {provider['options']['path']} is not mounted"
    for path in sorted((folder / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            if panel["datasource"]["uid"] not in known:
                yield f"{path.name}: the panel {panel['title']} has no data source"


def load(path: Path) -> Any:
    """A YAML file's content."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def problems() -> list[str]:
    """Everything that is wrong with deploy/, each with the file's name."""
    compose = load(DEPLOY / "compose.yaml")
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8")
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    found = {
        "Dockerfile": dockerfile_problems(dockerfile, ignored),
        "compose.yaml": compose_problems(compose),
        "prometheus.yml": prometheus_problems(load(DEPLOY / "prometheus.yml"), compose),
        "grafana": grafana_problems(DEPLOY / "grafana", compose),
    }
    return [f"deploy/{name}: {text}" for name, texts in found.items() for text in texts]


def main() -> int:
    found = problems()
    print("\n".join(found) or "deploy/: as it should be")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
