"""Large checkpoints as objects of a bucket (S3, GCS, Azure, any that fsspec knows).

An object lies under ``<prefix>/<ab>/<SHA-256>``. What fails is judged by the catalog and retried by
its rules, as a step would be: the retries of s3fs and botocore beneath are turned off, so that there
is one owner of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from ..attempts import Command, Done, Halted, Raised, Returned, Try, Wait, attempts, drive
from ..clock import Clock
from ..errors import CheckpointDamaged, ConfigError, JournalError
from ..model import Classification
from ..policy import Policy
from .folder import checked

__all__ = ["ObjectBlobs", "open_objects"]

Classify = Callable[[BaseException], Classification]

ONE_OWNER = {"s3": {"config_kwargs": {"retries": {"total_max_attempts": 1, "mode": "standard"}}}}
"""By protocol, the options that turn a library's own retries off."""


class ObjectBlobs:
    """Checkpoints in object storage.

    :param url: a bucket and a prefix, as fsspec writes it: ``s3://bucket/prefix``.
    :param classify: judges what fails.
    :param policy: how often and how patiently it is tried.

    >>> ObjectBlobs("s3://bucket/checkpoints/", None, None).path("ab12")
    's3://bucket/checkpoints/ab/ab12'
    """

    def __init__(
        self, url: str, clock: Clock, classify: Classify, policy: Policy | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self._clock = clock
        self._classify = classify
        self._policy = policy or Policy()
        self._opened: tuple[int, Any] | None = None

    def path(self, digest: str) -> str:
        """The address of a checkpoint."""
        return f"{self.url}/{digest[:2]}/{digest}"

    def put(self, digest: str, data: bytes, *, again: bool = False) -> None:
        """Keep ``data`` under its SHA-256; where an object of that name and size is, it stays.

        :param again: write it even where it is there.
        :raises JournalError: it cannot be written; the message says what to do.
        """
        path = self.path(digest)

        def write(files: Any) -> None:
            if not again and _size(files, path) == len(data):
                return
            files.pipe_file(path, data)

        self._do(f"write a checkpoint to {path}", write)

    def get(self, digest: str) -> bytes:
        """The bytes of a checkpoint, checked.

        :raises CheckpointDamaged: the object is missing or has other bytes.
        :raises JournalError: nobody can tell, since it cannot be read.
        """
        path = self.path(digest)

        def read(files: Any) -> bytes | None:
            try:
                found: bytes = files.cat_file(path)
                return found
            except FileNotFoundError:
                return None

        data = self._do(f"read the checkpoint {path}", read)
        if data is None:
            raise CheckpointDamaged(f"the checkpoint {path} is missing")
        return checked(bytes(data), digest, f"the checkpoint {path}")

    def remove(self, digests: Sequence[str]) -> int:
        """Remove these objects; answers how many there were.

        :raises JournalError: they cannot be removed; the message says what to do.
        """

        def remove(files: Any) -> int:
            there = [path for path in map(self.path, digests) if _size(files, path) is not None]
            if there:
                files.rm(there)
            return len(there)

        return int(self._do(f"remove checkpoints from {self.url}", remove))

    # -- how ----------------------------------------------------------------------------------

    def _do(self, what: str, act: Callable[[Any], Any]) -> Any:
        files = self._files()

        def handle(command: Command) -> Any:
            if isinstance(command, Try):
                try:
                    return Returned(act(files))
                except BaseException as exc:
                    return Raised(exc)
            if isinstance(command, Wait):
                self._clock.sleep(command.seconds)
            return None

        outcome = drive(attempts(self._policy, self._clock, self._classify, dict), handle)
        if isinstance(outcome, Done):
            return outcome.value
        if isinstance(outcome, Halted):
            failure = outcome.failure
            times = f" after {failure.attempt} attempts" if failure.attempt > 1 else ""
            raise JournalError(
                f"cannot {what}{times}: {failure.kind}: {failure.message}; "
                f"{_next_move(failure.kind)}, then resume the run"
            ) from failure.exception
        passed = getattr(outcome, "exception", None)
        assert isinstance(passed, BaseException)  # the ladder of a default policy has no other rung
        raise passed

    def _files(self) -> Any:
        """The file system of this process: its event loop does not live on in a fork."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), _open(self.url))
        return self._opened[1]


def open_objects(url: str, clock: Clock, classify: Classify) -> ObjectBlobs:
    """The checkpoints of a bucket; nothing is asked of it yet, but its libraries must be here.

    :raises ConfigError: a library is missing, or the URL is of a kind that fsspec does not know.
    """
    blobs = ObjectBlobs(url, clock, classify)
    blobs._files()
    return blobs


def _open(url: str) -> Any:
    protocol = url.split("://", 1)[0]
    driver = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs"}
    driver |= {"abfs": "adlfs", "abfss": "adlfs"}
    needed = " ".join(["pip install 'surefoot[objects]'", driver.get(protocol, "")]).strip()
    try:
        import fsspec
        from fsspec.core import url_to_fs
    except ImportError as exc:
        raise ConfigError(f"blobs = {url!r} needs fsspec: {needed}") from exc
    options: dict[str, Any] = dict(ONE_OWNER.get("s3" if protocol == "s3a" else protocol, {}))
    try:
        fsspec.get_filesystem_class(protocol)
        files, _ = url_to_fs(url, skip_instance_cache=True, use_listings_cache=False, **options)
    except ImportError as exc:
        raise ConfigError(f"blobs = {url!r} needs {driver.get(protocol, exc)}: {needed}") from exc
    except ValueError as exc:
        raise ConfigError(f"blobs = {url!r}: {exc}") from exc
    if protocol in ("s3", "s3a"):
        files.retries = 1  # how often s3fs itself tries a request
    return files


def _size(files: Any, path: str) -> int | None:
    try:
        return int(files.info(path)["size"])
    except FileNotFoundError:
        return None


def _next_move(kind: str) -> str:
    if kind in ("permission", "auth", "auth_expired"):
        return "give this process credentials that may read, write and delete there"
    if kind in ("not_found", "misconfiguration"):
        return "create the bucket, or set SUREFOOT_BLOBS to one that exists"
    return "see that the storage can be reached"
