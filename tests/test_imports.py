"""Imports flow one way, and importing does nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "files": set(),
    "model": set(),
    "feedback": {"files", "model"},
    "jobs": {"feedback", "files", "model"},
    "serving": {"jobs", "feedback", "files", "model"},
    "settings.py": set(),
    "ui": {"jobs", "feedback", "files", "model", "settings"},
    "pages": {"ui", "jobs", "feedback", "files", "model"},
    "streamlit_app.py": {"feedback", "model", "serving", "settings", "ui"},
}
OURS = {name.removesuffix(".py") for name in MAY_IMPORT}
NOT_IN_MODEL = {"streamlit", "fastapi", "starlette", "sqlalchemy"}
ONLY_IN_FUNCTIONS = {"torch", "transformers", "huggingface_hub", "onnxruntime", "tokenizers"}


def sources(name: str) -> list[Path]:
    path = ROOT / name
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def imported_at_once(text: str) -> set[str]:
    """What a module imports when it is imported itself."""
    outside = [node for node in ast.parse(text).body if not isinstance(node, ast.FunctionDef)]
    return imported(ast.Module(outside, []))


@pytest.mark.parametrize("name", MAY_IMPORT)
def test_imports_flow_one_way(name: str) -> None:
    own = name.removesuffix(".py")
    for path in sources(name):
        text = path.read_text(encoding="utf-8")
        is_command = '__name__ == "__main__"' in text  # which reads the settings
        for module in imported(ast.parse(text)):
            top = module.split(".")[0]
            if top in OURS and top != own and not (is_command and top == "settings"):
                assert top in MAY_IMPORT[name], f"{path} imports {module}"
            if own == "feedback" and top == "model":
                assert module == "model.prediction", f"{path} imports {module}"
            if own == "model":
                assert top not in NOT_IN_MODEL, f"{path} imports {module}"
            if own == "feedback":
                assert top != "streamlit", f"{path} imports {module}"


def test_importing_the_model_loads_neither_torch_nor_transformers() -> None:
    code = "import sys, model; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert ONLY_IN_FUNCTIONS.isdisjoint(done.stdout.split())


def test_importing_makes_no_files_and_starts_no_threads(tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import threading\n"
        "import feedback, model, settings, serving.app, jobs.replay.run, jobs.batch\n"
        "import ui.shared, ui.try_page, ui.parts.rating_form\n"
        "print(threading.active_count())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert done.stdout.split() == ["1"]
    assert list(tmp_path.iterdir()) == []
