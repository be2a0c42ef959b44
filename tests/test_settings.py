"""app.toml and the environment: what wins, and what a mistake says."""

import json
import traceback
from pathlib import Path

import pytest
from pydantic import ValidationError

from serving.access import new_key
from settings import ROOT, SettingsError, load_settings


@pytest.fixture
def toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    path = tmp_path / "app.toml"
    path.write_text("")
    return path


def test_the_file_in_the_repository_is_valid() -> None:
    settings = load_settings()
    assert settings.model.id == "model/bundled"
    assert settings.examples is None, "those of the model's card are shown"


def test_an_empty_file_gives_defaults(toml: Path) -> None:
    settings = load_settings(toml)
    assert settings.log_url == f"sqlite:///{ROOT / 'data/feedback.db'}"
    assert settings.log_lasts


def test_the_environment_wins(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml.write_text('title = "file"\n[model]\nid = "a/file"\nrevision = "v1"\n')
    monkeypatch.setenv("TRYOUT_MODEL__ID", "an/environment")
    settings = load_settings(toml)
    assert settings.model.id == "an/environment"
    assert (settings.title, settings.model.revision) == ("file", "v1"), "the rest stays"


def test_the_environment_may_have_variables_of_others(
    toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRYOUTS", "x")
    monkeypatch.setenv("MODEL", "x")
    assert load_settings(toml).model.id == "model/bundled"


def test_database_url_names_the_log_and_is_not_shown(
    toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:secret@host/name")
    settings = load_settings(toml)
    assert settings.log_url == "postgresql://user:secret@host/name"
    assert "secret" not in repr(settings)


def test_only_a_file_on_a_passing_disk_does_not_last(
    toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml.write_text("[feedback]\ndisk_lasts = false\n")
    assert not load_settings(toml).log_lasts
    monkeypatch.setenv("DATABASE_URL", "postgresql://host/name")
    assert load_settings(toml).log_lasts


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[limits]\nmax_chars = 0", r"limits\.max_chars is 0: .*greater than or equal to 1"),
        ('[model]\nid = ""', r"model\.id is ''"),
        ('[model]\ndtype = "int3"', r"model\.dtype is 'int3'"),
        ('[model]\nrevison = "typo"', r"There is no setting model\.revison"),
        ('[feedback]\ndatabase = ""', r"feedback\.database must be the path of an SQLite file"),
        ('databse_url = "postgres://me:secret@db"', r"no setting databse_url\. Remove"),
        ('title = "unclosed', "not valid TOML"),
        ("title = 1", "title is 1"),
        ('examples = [" "]', r"examples\.0 is ' '; it must be a text that is not blank"),
        ('[model]\nname = "a b"', r"model\.name is 'a b'; it must be a name without spaces"),
        ('[serving]\ncors = ["https://x/"]', r"cors\.0 is 'https://x/'; it must be an origin"),
        ('[serving]\ncors = ["https://*.x"]', r"cors\.0 is 'https://\*\.x'; it must be an origin"),
        ('[model]\nurl = "http://h"\ntask = "fill-mask"', "has its own task. Remove task"),
    ],
)
def test_a_mistake_is_named_with_its_value(toml: Path, content: str, message: str) -> None:
    toml.write_text(content)
    with pytest.raises(SettingsError, match=message):
        load_settings(toml)


def test_a_password_in_the_wrong_setting_is_not_shown(
    toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRYOUT_FEEDBACK__DATABASE", "postgresql://user:s3cret@host/name")
    with pytest.raises(SettingsError, match="belongs in DATABASE_URL") as caught:
        load_settings(toml)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PARAMETERS", "a,b"),
        ("MODEL", "owner/name"),
        ("SERVING__CORS", "https://shop.example"),
        ("MODEL__LABELS", "a=b"),
        ("API_KEYS", ""),
    ],
)
def test_a_variable_of_the_wrong_form_is_named(
    toml: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"TRYOUT_{name}", value)
    with pytest.raises(SettingsError, match=f"^TRYOUT_{name} must be JSON.*TRYOUT_MODEL__ID"):
        load_settings(toml)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("TRYOUT_APIKEYS", "TRYOUT_API_KEYS"),
        ("TRYOUT_API__KEYS", "TRYOUT_API_KEYS"),
        ("TRYOUT_MODEL_TOKEN", "TRYOUT_MODEL__TOKEN"),
        ("tryout_model_id", "TRYOUT_MODEL__ID"),
        ("TRYOUT_SERVING__OPENEXPORTS", "TRYOUT_SERVING__OPEN_EXPORTS"),
    ],
)
def test_a_variable_that_would_set_nothing_is_named_without_its_value(
    toml: Path, monkeypatch: pytest.MonkeyPatch, given: str, meant: str
) -> None:
    monkeypatch.setenv(given, "s3cret")
    with pytest.raises(SettingsError, match=f"has {given}, .* is {meant}: rename") as raised:
        load_settings(toml)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("name", ["TRYOUT_KEY", "TRYOUT_PORT", "TRYOUT_PORT_8000_TCP"])
def test_variables_of_clients_and_clusters_change_nothing(
    toml: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    plain = load_settings(toml)
    monkeypatch.setenv(name, "tcp://10.0.0.1:8000")
    assert load_settings(toml) == plain


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"app\.toml cannot be read: No such file"):
        load_settings(tmp_path / "app.toml")
    (tmp_path / "app.toml").write_bytes(b"title = '\xff'")
    with pytest.raises(SettingsError, match="not UTF-8"):
        load_settings(tmp_path / "app.toml")


def test_settings_do_not_change(toml: Path) -> None:
    settings = load_settings(toml)
    with pytest.raises(ValidationError):
        settings.title = "other"
    with pytest.raises(ValidationError):
        settings.model.id = "other"


def test_a_url_takes_the_place_of_a_model_in_this_process(
    toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml.write_text('[model]\nid = "model/bundled"\n')
    monkeypatch.setenv("TRYOUT_MODEL__URL", "http://127.0.0.1:8000")
    monkeypatch.setenv("TRYOUT_MODEL__TOKEN", "secret-key")
    model = load_settings(toml).model
    assert model.arguments(params={}) == {
        "url": "http://127.0.0.1:8000",
        "token": "secret-key",
        "api": "tryout",
        "task": "auto",
        "name": "",
        "params": {},
    }
    assert "secret-key" not in repr(model)
    assert model.for_model("model/bundled", None).arguments()["model_id"] == "model/bundled"


def test_what_cannot_be_set_beside_a_url_is_named_without_the_token(
    toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRYOUT_MODEL__TOKEN", "secret-key")
    toml.write_text('[model]\nurl = "http://127.0.0.1:8000"\nruntime = "onnx"\ndevice = "cpu"\n')
    with pytest.raises(SettingsError, match=r"Remove device and runtime, or the URL") as raised:
        load_settings(toml)
    assert "secret-key" not in str(raised.value)
    monkeypatch.setenv("TRYOUT_MODEL__TOKEN", "two\nlines")
    with pytest.raises(SettingsError, match=r"model\.token must be printable"):
        load_settings(toml)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            'api = "openai"\ntask = "text-generation"',
            r"api is 'openai', and there is no model\.url",
        ),
        ('url = "http://host"\napi = "huggingface"', r"does not tell the task .*Set model\.task"),
        (
            'url = "http://host"\napi = "openai"',
            r"model\.task is 'auto'\. Set model\.task to text-gen",
        ),
        (
            'url = "http://host"\napi = "openai"\ntask = "fill-mask"',
            r"model\.task is 'fill-mask'\. Set model\.task to text-generation",
        ),
        ('url = "http://host"\napi = "grpc"', r"model\.api is 'grpc': .*'tryout', 'huggingface'"),
    ],
)
def test_an_api_needs_a_url_and_its_task(toml: Path, lines: str, message: str) -> None:
    toml.write_text(f"[model]\n{lines}\n")
    with pytest.raises(SettingsError, match=message):
        load_settings(toml)


def test_an_api_of_others_gets_its_task_and_name(toml: Path) -> None:
    lines = ['url = "http://host/v1"', 'api = "openai"', 'task = "text-generation"', 'name = "a"']
    toml.write_text("\n".join(["[model]", *lines]))
    model = load_settings(toml).model
    assert model.arguments() == {
        "url": "http://host/v1",
        "token": "",
        "api": "openai",
        "task": "text-generation",
        "name": "a",
    }
    here = model.for_model("owner/other", None)
    assert (here.url, here.api) == (None, "tryout")
    assert {"url", "api", "token"}.isdisjoint(here.arguments())


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host", "http://user:pw@host", "http://"])
def test_a_url_that_is_none_is_named(toml: Path, url: str) -> None:
    toml.write_text(f'[model]\nurl = "{url}"\n')
    with pytest.raises(SettingsError, match=r"model\.url must be a URL"):
        load_settings(toml)


@pytest.mark.parametrize(
    "value",
    [
        '[{"name": "x", "sha256": "tryout_SECRET", "scopes": ["predict"]}]',
        '[{"name": "x", "key": "tryout_SECRET"}]',
        '"tryout_SECRET"',
        "tryout_SECRET",
        '{"tryout_SECRET": 1}',
    ],
)
def test_a_key_in_the_place_of_its_hash_is_not_shown(
    toml: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("TRYOUT_API_KEYS", value)
    with pytest.raises(SettingsError) as raised:
        load_settings(toml)
    assert "SECRET" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("port", ["b", "99999", "65536", "70000"])
def test_a_url_with_a_wrong_port_is_named(toml: Path, port: str) -> None:
    toml.write_text(f'[model]\nurl = "http://host:{port}"\n')
    with pytest.raises(SettingsError, match=r"model\.url must be a URL"):
        load_settings(toml)


@pytest.mark.parametrize("port", ["1", "8000", "9999", "49152", "59999", "65535"])
def test_a_url_may_have_any_port(toml: Path, port: str) -> None:
    toml.write_text(f'[model]\nurl = "http://host:{port}/v1"\n')
    assert load_settings(toml).model.url == f"http://host:{port}/v1"


def test_a_key_that_may_do_nothing_is_refused(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, entry = new_key("shop", [])
    monkeypatch.setenv("TRYOUT_API_KEYS", json.dumps([entry]))
    with pytest.raises(SettingsError, match=r"TRYOUT_API_KEYS is not a list of keys .*0 scopes"):
        load_settings(toml)


def test_a_function_before_the_model_is_named_with_its_module(
    toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRYOUT_MODEL__PREPROCESS", "cleaning.tweets:clean")
    model = load_settings(toml).model
    assert model.arguments()["preprocess"] == "cleaning.tweets:clean"
    assert model.for_model("owner/other", None).preprocess == "cleaning.tweets:clean"
    for wrong in ("clean", "cleaning.py:clean()", "../cleaning:clean", ":clean", "a:b:c"):
        monkeypatch.setenv("TRYOUT_MODEL__PREPROCESS", wrong)
        with pytest.raises(SettingsError, match=r'a function of it, like "preprocess:clean"'):
            load_settings(toml)
    monkeypatch.setenv("TRYOUT_MODEL__PREPROCESS", "cleaning:clean")
    monkeypatch.setenv("TRYOUT_MODEL__URL", "http://host")
    with pytest.raises(SettingsError, match=r"has its own preprocess\. Remove preprocess"):
        load_settings(toml)
