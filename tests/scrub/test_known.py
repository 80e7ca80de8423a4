"""Known values: what is registered, what the environment holds, what frameworks have loaded."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from surefoot.scrub import Watch, hide
from surefoot.scrub.known import (
    HIDDEN_VALUES,
    KnownValues,
    from_environment,
    held_by_prefect,
    masked_by_airflow,
)


@pytest.fixture(autouse=True)
def _nothing_stays_registered() -> Iterator[None]:
    before = dict(HIDDEN_VALUES)
    yield
    HIDDEN_VALUES.clear()
    HIDDEN_VALUES.update(before)


class SecretStr:
    def __init__(self, value: str) -> None:
        self._value = value

    def get_secret_value(self) -> str:
        return self._value


def test_values_are_registered_as_text_as_bytes_and_as_secretstr() -> None:
    for value in ("hunter2-a", b"hunter2-b", bytearray(b"hunter2-c"), SecretStr("hunter2-d")):
        hide(value)
    assert [one for one in HIDDEN_VALUES if one.startswith("hunter2")] == [
        "hunter2-a", "hunter2-b", "hunter2-c", "hunter2-d",
    ]  # fmt: skip


def test_what_is_too_short_or_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 6 characters, and this has 5"):
        hide("  short  ")
    with pytest.raises(TypeError, match="a secret is a text, not a int"):
        hide(1234567)


def test_the_environment_s_secrets_are_known() -> None:
    environ = {
        "OPENAI_API_KEY": "abcdefgh1",
        "SHORT_TOKEN": "abc12",
        "EMPTY_SECRET": "        ",
        "PLACEHOLDER_TOKEN": "<your-token>",
        "GOOGLE_APPLICATION_CREDENTIALS": "/etc/keys/key.json",
        "TOKEN_URL": "https://example.org/token",
        "AUTH_TOKEN": "https://example.org/token",
        "HOME": "/home/ada",
        "DATABASE_URL": "postgres://u:s3cret-pw%21@h/d",
        "SHORT_URL": "postgres://u:pw@h/d",
        "ODBC": "Server=db;Password=odbc-pw-1;x=1",
        "AIRFLOW_CONN_DB": '{"conn_type": "pg", "password": "airflow-pw"}',
        "AIRFLOW_CONN_BAD": "{no json",
        "AIRFLOW_CONN_LIST": "{}",
    }
    assert sorted(from_environment(environ)) == [
        "abcdefgh1", "airflow-pw", "odbc-pw-1", "s3cret-pw!", "s3cret-pw%21",
    ]  # fmt: skip


class Masker:
    def __init__(self) -> None:
        self.patterns = {r"con\-pass\.1", "abc"}


class Broken:
    @property
    def patterns(self) -> Any:
        raise RuntimeError


def _module(**names: Any) -> ModuleType:
    module = ModuleType("made")
    for name, value in names.items():
        setattr(module, name, value)
    return module


def test_what_airflow_masks_is_known() -> None:
    masker = Masker()
    assert masked_by_airflow({}) == ()
    for held in (masker, lambda: masker):
        modules = {"airflow.utils.log.secrets_masker": _module(_secrets_masker=held)}
        assert set(masked_by_airflow(modules)) == {"con-pass.1", "abc"}
    assert masked_by_airflow({"airflow.utils.log.secrets_masker": _module()}) == ()
    broken = _module(_secrets_masker=Broken())
    assert masked_by_airflow({"airflow.utils.log.secrets_masker": broken}) == ()


class Secret:
    def __init__(self, value: Any) -> None:
        self.value = value


class HalfMade(Secret):
    def __init__(self) -> None:
        pass


def test_what_prefect_s_blocks_hold_is_known() -> None:
    assert held_by_prefect({}) == ()
    kept = [Secret(SecretStr("block-secret")), Secret("plain-secret")]
    modules = {"prefect.blocks.system": _module(Secret=Secret)}
    assert {"block-secret", "plain-secret"} <= set(held_by_prefect(modules))
    half = HalfMade()
    modules = {"prefect.blocks.system": _module(Secret=HalfMade)}
    assert held_by_prefect(modules) == ()
    del kept, half


def test_the_watch_sees_what_changes_and_gives_the_same_where_nothing_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watch = Watch()
    first = watch.current(0.0)
    assert watch.current(1.0) is first
    monkeypatch.setenv("NEW_API_TOKEN", "new-token-1")
    second = watch.current(2.0)
    assert "new-token-1" in second
    assert watch.current(3.0) is second
    hide("registered-1")
    third = watch.current(4.0)
    assert {"new-token-1", "registered-1"} <= set(third)
    assert "new-token-1" not in Watch().current(0.0, environment=False)

    masker = Masker()
    module = _module(_secrets_masker=masker)
    monkeypatch.setitem(sys.modules, "airflow.utils.log.secrets_masker", module)
    assert "con-pass.1" in watch.current(5.0)
    masker.patterns.add("another-one")
    assert "another-one" in watch.current(5.0)
    monkeypatch.setitem(sys.modules, "prefect.blocks.system", _module(Secret=Secret))
    kept = Secret("block-secret-2")
    assert "block-secret-2" in watch.current(6.0)
    later = Secret("block-secret-3")
    assert "block-secret-3" not in watch.current(7.0)  # it looks every ten seconds
    assert "block-secret-3" in watch.current(16.5)
    del kept, later


def test_short_values_are_not_searched() -> None:
    assert list(KnownValues(["abc"]).find(b"abc abc")) == []
    assert KnownValues(["abcdef"]).value_of(b"zzz") is None


def test_threads_may_register_at_once() -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: hide(f"value-{number:06}"), range(2_000)))
    assert sum(one.startswith("value-") for one in HIDDEN_VALUES) == 2_000


def test_nothing_of_a_framework_is_imported_for_that() -> None:
    code = (
        "import sys; from surefoot.scrub import Watch; Watch().current(0.0); "
        "print([m for m in sys.modules if m.split('.')[0] in ('prefect', 'airflow', 'pydantic')])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
