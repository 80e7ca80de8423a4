"""Where Prefect itself shows a run."""

from __future__ import annotations

from typing import Any

from ...errors import DefinitionError
from ...journal.origin import Origin

__all__ = ["loaded", "origin_of", "page"]


def loaded() -> Any:
    """The package ``prefect``.

    :raises DefinitionError: it is not installed; the message names the extra.
    """
    try:
        import prefect
    except ImportError as exc:
        raise DefinitionError(
            "Prefect is not installed here; install it with: pip install 'surefoot[prefect]'"
        ) from exc
    return prefect


def page(origin: Origin) -> str | None:
    """The address of a flow run's page, as it was when the run began; None where there is none."""
    return origin.url


def origin_of(flow_run_id: str, flow_name: str) -> Origin:
    """What the journal keeps of a flow run."""
    from prefect.settings import PREFECT_UI_URL

    base = PREFECT_UI_URL.value()
    url = f"{str(base).rstrip('/')}/runs/flow-run/{flow_run_id}" if base else None
    ids = {"flow_run_id": flow_run_id, "flow": flow_name}
    return Origin("prefect", str(loaded().__version__), ids, url)
