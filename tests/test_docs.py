"""The examples in the guides are run as they stand there, but for the address."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from feedback import FeedbackLog
from model import Model
from settings import ROOT
from tests.helpers.databases import sqlite_log as new_sqlite_log
from tests.helpers.service import listening, service_of

ADDRESS = "http://127.0.0.1:8000"
GUIDE = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
EXAMPLES = [
    (language, code)
    for language, code in re.findall(r"^```(sh|python)\n(.*?)^```", GUIDE, re.M | re.S)
    if ADDRESS in code and "make serve" not in code
]


@pytest.fixture(scope="module")
def url(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = FeedbackLog(new_sqlite_log(tmp_path_factory.mktemp("docs") / "log.db"))
    with listening(service_of(model, log)) as listening_url:
        yield listening_url
    log.close()


@pytest.mark.parametrize(("language", "code"), EXAMPLES)
def test_an_example_works(url: str, tmp_path: Path, language: str, code: str) -> None:
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
    assert re.search(r"positive|\"verdict\":\"down\"", done.stdout), done.stdout


def test_there_are_examples_of_both_languages_for_each_format() -> None:
    formats = re.split(r"^### ", GUIDE.split("## Errors")[0], flags=re.M)[1:]
    for section in formats:
        assert {"```sh\n", "```python\n"} <= set(re.findall(r"```\w+\n", section)), section[:30]
