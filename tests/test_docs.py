"""The examples in the guides are run as they stand there, but for the address."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from feedback import FeedbackLog
from model import Model
from settings import ROOT, load_settings
from tests.helpers import tiny
from tests.helpers.databases import sqlite_log as new_sqlite_log
from tests.helpers.grpc import grpc_listening
from tests.helpers.service import listening, service_of
from tests.helpers.stored_jobs import stored_job

ADDRESS = "http://127.0.0.1:8000"
GRPC_ADDRESS = "127.0.0.1:9000"
GUIDE = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
EXAMPLES = [
    pytest.param(section.startswith("OpenAI"), language, code, id=f"{section[:12].strip()}-{n}")
    for section in re.split(r"^### ", GUIDE, flags=re.M)
    for n, (language, code) in enumerate(
        re.findall(r"^```(sh|python)\n(.*?)^```", section, re.M | re.S)
    )
    if ADDRESS in code and "make serve" not in code
]


@pytest.fixture(scope="module")
def urls(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Services of a model that classifies and of one that generates."""
    folder = tmp_path_factory.mktemp("docs")
    writer = Model(str(tiny.llama(folder / "writer", chat=True)), device="cpu")
    writer.load()
    log = FeedbackLog(new_sqlite_log(folder / "log.db"))
    stored_job(log, {"17": "I love this phone.", "18": "Nobody answers."}, predictor=model)
    with listening(service_of(model, log)) as one, listening(service_of(writer, log)) as other:
        yield one, other
    writer.close()
    log.close()


@pytest.mark.parametrize(("generates", "language", "code"), EXAMPLES)
def test_an_example_works(
    urls: tuple[str, str], tmp_path: Path, generates: bool, language: str, code: str
) -> None:
    url = urls[generates]
    command = ["bash", "-euo", "pipefail", "-c"] if language == "sh" else [sys.executable, "-c"]
    done = subprocess.run(
        [*command, code.replace(ADDRESS, url)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stdout
    expected = r"text|content" if generates else r"positive|\"verdict\":\"down\""
    assert re.search(expected, done.stdout), done.stdout


@pytest.mark.parametrize("lines", re.findall(r"^```toml\n(.*?)^```", GUIDE, re.M | re.S))
def test_settings_in_the_guide_are_valid(lines: str, tmp_path: Path) -> None:
    path = tmp_path / "app.toml"
    path.write_text(lines, encoding="utf-8")
    assert load_settings(path)


def test_a_client_of_grpc_without_stubs_works(model: Model, sqlite_log: FeedbackLog) -> None:
    """tests/clients runs the other example, with the client's package."""
    (code,) = (
        code
        for code in re.findall(r"^```python\n(.*?)^```", GUIDE, re.M | re.S)
        if "grpc_reflection" in code
    )
    with grpc_listening(service_of(model, sqlite_log)) as address:
        done = subprocess.run(
            [sys.executable, "-c", code.replace(GRPC_ADDRESS, address)],
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.stdout == "[b'positive']\n", done.stderr


def test_there_are_examples_of_both_languages_for_each_format() -> None:
    formats = re.split(r"^### ", GUIDE.split("## Errors")[0], flags=re.M)[1:]
    for section in formats:
        assert {"```sh\n", "```python\n"} <= set(re.findall(r"```\w+\n", section)), section[:30]


def anchor(heading: str) -> str:
    """The fragment by which a heading of a Markdown file is linked."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_each_decision_is_in_their_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "index.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(([a-z-]+\.md#[^)]+)\)", index))
    headings = {
        f"{file.name}#{anchor(heading)}"
        for file in folder.glob("*.md")
        for heading in re.findall(r"^## (\d{4}-.*)$", file.read_text(encoding="utf-8"), re.M)
    }
    assert linked == headings
