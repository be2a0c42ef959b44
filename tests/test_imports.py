"""Imports flow one way, and importing does nothing."""

import ast
import subprocess
import sys
from collections.abc import Collection
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "errors.py": set(),
    "files": set(),
    "model": set(),
    "feedback": {"files", "model"},  # of model, model.prediction alone
    "jobs": {"feedback", "files", "model"},
    "serving": {"jobs", "feedback", "files", "model"},
    "settings.py": set(),
    "ui": {"jobs", "feedback", "files", "model"},
    "pages": {"ui", "jobs", "feedback", "files", "model"},
    "streamlit_app.py": {"ui", "serving", "jobs", "feedback", "files", "model"},
}
READ_SETTINGS = {"__main__.py", "streamlit_app.py", "ui/shared.py"}
OURS = {name.removesuffix(".py") for name in MAY_IMPORT}
ONLY_IN = {
    "streamlit": {"ui", "pages", "streamlit_app"},
    "starlette": {"ui", "serving", "streamlit_app"},
    "strawberry": {"serving"},
    "uvicorn": {"serving"},
    "grpc": {"serving"},
    "sqlalchemy": {"feedback", "files"},  # of files, files.sources.query alone
    "openpyxl": {"files"},
    # The tools of deploy/flows are not installed beside us.
    "airflow": set(),
    "dagster": set(),
    "metaflow": set(),
    "prefect": set(),
}
ONLY_IN_FUNCTIONS = {
    "torch",
    "transformers",
    "huggingface_hub",
    "onnxruntime",
    "tokenizers",
    "httpx2",
}


def sources(name: str) -> list[Path]:
    path = ROOT / name
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute: by them a reader finds the file"
            names.add(str(node.module))
    return names


def module_name(path: Path) -> str:
    """The dotted name; that of a package for its __init__."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def depends_on(path: Path, known: Collection[str]) -> set[str]:
    """The modules of ours that are imported together with the one at `path`."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= submodules & set(known) or {node.module}
    return names & set(known) - {module_name(path)}


@pytest.mark.parametrize("name", MAY_IMPORT)
def test_imports_flow_one_way(name: str) -> None:
    own = name.removesuffix(".py")
    for path in sources(name):
        for module in imported(ast.parse(path.read_text(encoding="utf-8"))):
            top = module.split(".")[0]
            if top == "settings":
                assert {path.name, str(path.relative_to(ROOT))} & READ_SETTINGS, path
            elif top in OURS - {own, "errors"}:
                assert top in MAY_IMPORT[name], f"{path} imports {module}"
            if own == "feedback" and top == "model":
                assert module == "model.prediction", f"{path} imports {module}"
            if own == "files" and top == "sqlalchemy":
                assert path == ROOT / "files/sources/query.py", f"{path} imports {module}"
            if top in ONLY_IN:
                assert own in ONLY_IN[top], f"{path} imports {module}"


def test_a_flow_imports_nothing_of_ours() -> None:
    """It runs in the environment of its tool, which has none of our packages."""
    flows = sorted((ROOT / "deploy" / "flows").glob("*/*.py"))
    assert flows
    for path in flows:
        modules = imported(ast.parse(path.read_text(encoding="utf-8")))
        assert OURS.isdisjoint(module.split(".")[0] for module in modules), path


def test_no_import_cycle() -> None:
    """Between modules, by the imports at their top; a package stands for its __init__."""
    paths = {module_name(path): path for name in MAY_IMPORT for path in sources(name)}
    known = {name: depends_on(path, paths.keys()) for name, path in paths.items()}
    TopologicalSorter(known).prepare()  # raises CycleError


def test_nothing_in_ui_hides_a_package() -> None:
    """The folder of the script that sessions run is the first in sys.path while it runs."""
    names = {path.stem for path in (ROOT / "ui").iterdir()} - {"__init__"}
    taken = sys.stdlib_module_names | packages_distributions().keys() | OURS
    assert names.isdisjoint(taken)


def test_importing_the_model_loads_nothing_that_is_large() -> None:
    code = "import sys, model; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert ONLY_IN_FUNCTIONS.isdisjoint(done.stdout.split())


def test_importing_makes_no_files_and_starts_no_threads(tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import threading\n"
        "import feedback, model, settings, serving.app, serving.__main__\n"
        "import jobs.replay.run, jobs.batch\n"
        "import ui.shared, ui.try_page, ui.parts.rating_form\n"
        "print(threading.active_count())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert done.stdout.split() == ["1"]
    assert list(tmp_path.iterdir()) == []
