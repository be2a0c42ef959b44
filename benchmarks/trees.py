"""The trees that are measured: this one, and the one of another commit, unpacked."""

import shutil
import subprocess
import sys
from pathlib import Path

from settings import ROOT

INSTALLS_S = 1800
DEV = "requirements-dev.txt"


def commit() -> str:
    """The commit of this tree, and that it was changed since; "unknown" outside of git."""
    try:
        changed = _git("status", "--porcelain", "--untracked-files=no")
        return _git("rev-parse", "--short", "HEAD") + (", with changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def resolved(name: str) -> str:
    """The short id of a commit, branch or tag; ends the process if there is none by that name."""
    try:
        return _git("rev-parse", "--short", "--verify", f"{name}^{{commit}}")
    except subprocess.CalledProcessError:
        raise SystemExit(f"{name} is no commit of this repository.") from None


def unpacked(commit_id: str, folder: Path) -> Path:
    """The tree of a commit, as a folder in `folder`; unpacked once."""
    tree = folder / commit_id
    if not tree.is_dir():
        new = folder / f"{commit_id}.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        archive = subprocess.run(
            ["git", "archive", commit_id], cwd=ROOT, check=True, stdout=subprocess.PIPE
        )
        subprocess.run(["tar", "-x"], cwd=new, check=True, input=archive.stdout)
        new.rename(tree)
    return tree


def python_of(tree: Path) -> str:
    """This Python, if this tree requires all that `tree` does; else that of a new environment."""
    if requirements(tree) <= requirements(ROOT):
        return sys.executable
    python, mark = tree / ".venv" / "bin" / "python", tree / ".venv" / "done"
    if not mark.is_file():
        print(f"Installing what {tree.name} requires.", flush=True)
        for command in (
            [sys.executable, "-m", "venv", str(tree / ".venv")],
            [str(python), "-m", "pip", "install", "-q", "-r", DEV],
        ):
            subprocess.run(command, cwd=tree, check=True, timeout=INSTALLS_S)
        mark.touch()
    return str(python)


def requirements(tree: Path) -> set[str]:
    """The lines of all files of requirements in a tree, without comments."""
    lines: set[str] = set()
    for file in tree.glob("requirements*.txt"):
        lines |= {line.split("#")[0].strip() for line in file.read_text("utf-8").splitlines()}
    return lines - {""}


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()
