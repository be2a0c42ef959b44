"""A failure on any page is a sentence there."""

import sqlite3
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.helpers.app_test import SCRIPT, click, html, only, open_page, predict
from ui import shared


@pytest.mark.usefixtures("short_lock_wait")
def test_what_waits_is_told_on_every_page_and_sent_without_being_asked(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page()
    shared.log()
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    predict(page, "under lock")
    for name in ("feedback", "about"):
        page.switch_page(f"../pages/{name}.py").run()
        assert "Not stored yet" in only(page.warning).value
    other.execute("ROLLBACK")
    other.close()
    monkeypatch.setattr("ui.outbox.RETRY_S", 0.0)
    page.run()
    assert not page.warning
    assert shared.log().counts().predictions == 1


@pytest.mark.parametrize("name", ["", "about"])
def test_a_broken_model_is_one_sentence(
    database: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("TRYOUT_MODEL__ID", "./nowhere")
    st.cache_resource.clear()
    page = open_page(name)
    assert len(page.error) == 1
    assert "cannot be loaded" in only(page.error).value
    assert not page.text_area, "there is nothing to predict with"
    monkeypatch.delenv("TRYOUT_MODEL__ID")  # the owner mends it, and somebody tries again
    click(page, "Try again")
    assert not page.error
    if not name:
        assert "fine" in html(predict(page, "fine"))
    st.cache_resource.clear()


def test_broken_settings_are_one_sentence(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRYOUT_LIMITS__MAX_CHARS", "many")
    shared.settings.clear()
    page = AppTest.from_file(SCRIPT, default_timeout=60).run()
    assert not page.exception
    assert "many" in only(page.error).value
    monkeypatch.delenv("TRYOUT_LIMITS__MAX_CHARS")
    shared.settings.clear()
