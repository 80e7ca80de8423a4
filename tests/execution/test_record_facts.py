"""What a process tells of itself: the git commit from git's files, and the packages it has loaded."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from surefoot.execution.record.git import checked_out
from surefoot.execution.record.packages import loaded_packages

Git = Callable[..., str]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    commit(folder, "one")
    return folder


def git(folder: Path, *args: str) -> str:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    who = ["-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *who, *args], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(folder: Path, text: str) -> str:
    (folder / "file").write_text(text)
    git(folder, "add", "file")
    git(folder, "commit", "-qm", text)
    return git(folder, "rev-parse", "HEAD")


def told(folder: Path) -> tuple[str, str | None] | None:
    checked_out.cache_clear()
    return checked_out(str(folder))


def test_the_commit_and_branch_of_a_folder_within_a_repository(repository: Path) -> None:
    (repository / "a" / "b").mkdir(parents=True)
    head = git(repository, "rev-parse", "HEAD")
    assert told(repository) == told(repository / "a" / "b") == (head, "main")
    git(repository, "checkout", "-qb", "feature/x")
    second = commit(repository, "two")
    assert told(repository) == (second, "feature/x")


def test_a_detached_head_has_no_branch(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    commit(repository, "two")
    git(repository, "checkout", "-q", first)
    assert told(repository) == (first, None)


def test_packed_references_are_read(repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    git(repository, "tag", "-am", "t", "v1")
    git(repository, "pack-refs", "--all")
    assert not (repository / ".git/refs/heads/main").exists()
    assert told(repository) == (head, "main")


def test_a_worktree_has_a_head_of_its_own(repository: Path, tmp_path: Path) -> None:
    place = tmp_path / "tree"
    git(repository, "worktree", "add", "-q", "-b", "beside", str(place))
    head = commit(place, "in the tree")
    assert told(place) == (head, "beside")
    git(repository, "pack-refs", "--all")
    assert told(place) == (head, "beside")
    assert told(repository) != told(place)


@pytest.mark.parametrize(
    "head",
    [
        "",
        "ref: refs/heads/none",
        "ref: ../../etc/passwd",
        "ref: refs/heads/../../x",
        "no sha",
        "\0",
    ],
)
def test_files_that_say_nothing_tell_nothing(tmp_path: Path, head: str) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text(head)
    assert told(tmp_path) is None


def test_a_git_file_that_leads_nowhere_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: /nowhere/at/all\n")
    assert told(tmp_path) is None
    (tmp_path / ".git").write_text("nothing of the kind")
    assert told(tmp_path) is None


def test_references_that_lead_in_a_circle_tell_nothing(tmp_path: Path) -> None:
    heads = tmp_path / ".git" / "refs" / "heads"
    heads.mkdir(parents=True)
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/a")
    (heads / "a").write_text("ref: refs/heads/b")
    (heads / "b").write_text("ref: refs/heads/a")
    assert told(tmp_path) is None


def test_packages_are_those_that_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("My_Package-1.2.dist-info", "google_cloud_storage-2.0.dist-info"):
        (tmp_path / name).mkdir()
    (tmp_path / "never_loaded-9.dist-info").mkdir()
    (tmp_path / "old-3.1-py3.10.egg-info").mkdir()
    (tmp_path / "broken.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path), str(tmp_path / "missing")])
    for name in ("my_package", "google", "google.cloud", "google.cloud.storage", "old"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    other = ModuleType("yaml_like")
    other.__version__ = "6.0"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "yaml_like", other)
    found = loaded_packages()
    assert found["My_Package"] == "1.2"
    assert found["google_cloud_storage"] == "2.0"
    assert found["old"] == "3.1"
    assert found["yaml_like"] == "6.0"
    assert found["pytest"] == pytest.__version__
    assert "never_loaded" not in found and "broken" not in found
    assert not {"json", "re", "argparse"} & found.keys()


def test_a_module_that_computes_its_version_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lazy(ModuleType):
        def __getattr__(self, name: str) -> str:
            raise RuntimeError(f"{name} was asked for")

    monkeypatch.setitem(sys.modules, "lazy_one", Lazy("lazy_one"))
    assert "lazy_one" not in loaded_packages()
