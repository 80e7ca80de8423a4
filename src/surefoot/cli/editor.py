"""A text in the user's editor."""

from __future__ import annotations

import os
import shlex

from ..errors import UsageError

__all__ = ["in_editor"]


def in_editor(text: str) -> str:
    """What became of ``text`` in ``$VISUAL``, ``$EDITOR`` or vi. The file is its owner's alone, and
    gone afterwards.

    :raises UsageError: there is no editor, or it failed.
    """
    import subprocess
    import tempfile

    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    handle, path = tempfile.mkstemp(prefix="surefoot-", suffix=".json")  # made with mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        try:
            done = subprocess.run([*shlex.split(editor), path], check=False)
        except OSError as exc:
            raise UsageError(
                f"cannot start the editor {editor!r} ({exc.strerror}); set EDITOR, or use --set"
            ) from exc
        if done.returncode:
            raise UsageError(
                f"the editor {editor!r} ended with {done.returncode}; nothing was replayed"
            )
        with open(path, encoding="utf-8") as file:
            return file.read()
    finally:
        os.unlink(path)
