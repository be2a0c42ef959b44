"""The only reader of app.toml and the environment.

Its values are plain. Only commands, the server and ui/shared.py import it.
"""

import json
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as InvalidVariable

from errors import TryoutError

ROOT = Path(__file__).parent
ON_COMMUNITY_CLOUD = ROOT.parts[1:3] == ("mount", "src")  # where it checks repositories out


class SettingsError(TryoutError):
    """app.toml or the environment is wrong; the message names the setting and its value."""


# Settings of a model in this process, which one behind a URL has for itself.
ONLY_HERE = {
    "revision",
    "runtime",
    "device",
    "dtype",
    "allow_pickle",
    "trust_remote_code",
    "preprocess",
}
TOGETHER = "settings_together"
PORT = r"(\d{1,4}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])"
FUNCTION = r"^([^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*)?$"
SERVICE_URL = rf"^https?://[^\s@?#:/]+(:{PORT})?(/[^\s@?#]*)?$"
# Settings whose value no error may show, since it can be or contain a password.
SECRET = {
    "model.url": "a URL like http://localhost:8000, without a user or a query",
    "model.token": "printable ASCII without spaces",
    "feedback.database": "the path of an SQLite file; a database's URL belongs in DATABASE_URL",
}

# The forms of other texts, which are patterns in the code.
FORMS = {
    "model.preprocess": 'a module of this folder and a function of it, like "preprocess:clean"',
    "model.name": "a name without spaces and slashes",
    "examples": "a text that is not blank",
    "serving.cors": 'an origin like "https://shop.example", without a path, or "*" for all',
}


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelSettings(Section):
    """The section [model]: a model in this process by its id, or in a service by its URL."""

    id: Annotated[str, Field(min_length=1)] = "model/bundled"
    name: Annotated[str, Field(pattern=r"^[^/\s]*$")] = ""  # for clients; "" is the id's last part
    revision: str | None = None
    task: str = "auto"
    runtime: Literal["torch", "onnx"] = "torch"
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    allow_pickle: bool = False
    trust_remote_code: bool = False
    preprocess: Annotated[str, Field(pattern=FUNCTION)] = ""
    labels: dict[str, str] = {}  # how the model's labels are shown; stored is the model's
    # The model of a service, instead of `id`; the token goes there and nowhere else.
    url: Annotated[str | None, Field(pattern=SERVICE_URL)] = None
    api: Literal["tryout", "huggingface", "openai"] = "tryout"  # that the URL speaks
    token: Annotated[str, Field(repr=False, pattern=r"^[!-~]*$")] = ""

    @model_validator(mode="after")
    def _is_here_or_there(self) -> "ModelSettings":
        """Refuses settings of a model in this process beside a URL."""
        if self.url and (both := sorted(self.model_fields_set & ONLY_HERE)):
            raise PydanticCustomError(
                TOGETHER,
                "model.url names a service, which has its own {both}. Remove {both}, or the URL.",
                {"both": " and ".join(both)},
            )
        return self

    @model_validator(mode="after")
    def _api_has_its_settings(self) -> "ModelSettings":
        """Refuses an API without a URL, or without the task that it does not tell."""
        if self.url and self.api == "tryout" and self.task != "auto":
            raise PydanticCustomError(
                TOGETHER,
                "model.url names a service, which has its own task. Remove task, or set model.api.",
            )
        if self.api != "tryout" and not self.url:
            raise PydanticCustomError(
                TOGETHER,
                "model.api is {api}, and there is no model.url. Set the URL, or remove api.",
                {"api": repr(self.api)},
            )
        if self.api == "huggingface" and self.task == "auto":
            raise PydanticCustomError(
                TOGETHER,
                "model.api is 'huggingface', which does not tell the task of its model. Set "
                "model.task, such as text-classification.",
            )
        if self.api == "openai" and self.task != "text-generation":
            raise PydanticCustomError(
                TOGETHER,
                "model.api is 'openai' and model.task is {task}. Set model.task to "
                "text-generation, the only task of that API.",
                {"task": repr(self.task)},
            )
        return self

    def arguments(self, **changes: Any) -> dict[str, Any]:
        """The arguments of `model.make_predictor`, of which `changes` replace some."""
        if self.url:
            there = {"url", "token", "api", "task", "name"}
            return self.model_dump(include=there) | changes
        local = self.model_dump(exclude={"id", "labels", "name", "url", "token", "api"})
        return local | {"model_id": self.id} | changes

    def for_model(self, model_id: str, revision: str | None) -> "ModelSettings":
        """The same settings for another model: its own revision, and no pickle or code of it.

        The owner's `preprocess` stays: it is not that model's code, and the model answers as it
        would in the place of the present one.
        """
        if model_id == self.id and not self.url:
            return self.model_copy(update={"revision": revision or self.revision})
        return self.model_copy(
            update={
                "id": model_id,
                "name": "",
                "url": None,
                "api": "tryout",
                "revision": revision,
                "allow_pickle": False,
                "trust_remote_code": False,
            }
        )


class Limits(Section):
    max_chars: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    max_batch_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    max_upload_mb: Annotated[int, Field(ge=1, le=50)] = 20  # .streamlit/config.toml allows 50


class Review(Section):
    # This share of the predictions is reviewed in random order, the rest least margin first.
    random_share: Annotated[float, Field(ge=0, le=1)] = 0.2


class Compare(Section):
    enabled: bool = True  # any visitor may load a second model by its id, or a folder here


class ShadowSettings(Section):
    """The section [shadow]: a challenger that predicts a share of what programs ask for."""

    id: str = ""  # "" for none
    revision: str = ""
    share: Annotated[float, Field(ge=0, le=1)] = 0.1


class Serving(Section):
    log: bool = True  # False stores no prediction that a client asks for
    max_texts: Annotated[int, Field(ge=1, le=4000)] = 1000
    max_body_mb: Annotated[int, Field(ge=1, le=500)] = 10
    requests_per_minute: Annotated[int, Field(ge=0)] = 0  # of a key or an address; 0 is no limit
    cors: tuple[Annotated[str, Field(pattern=r"^(\*|https?://[^/*\s]+)$")], ...] = ()
    open_metrics: bool = True  # False: /metrics needs a key that may export
    open_exports: bool = True
    # PEM files; gRPC takes TLS with both, and no TLS without. Relative paths are beside app.toml.
    grpc_certificate: Path | None = None
    grpc_key: Path | None = None

    @model_validator(mode="after")
    def _has_both_or_neither(self) -> "Serving":
        """Refuses a certificate without its key, and a key alone."""
        if bool(self.grpc_certificate) != bool(self.grpc_key):
            raise PydanticCustomError(
                TOGETHER,
                "serving.grpc_certificate and serving.grpc_key go together. Set both, or none.",
            )
        return self


class ApiKey(Section):
    """The entry of a key, as python -m serving.access makes it."""

    name: Annotated[str, Field(min_length=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    scopes: Annotated[tuple[Literal["predict", "rate", "export"], ...], Field(min_length=1)]


class FeedbackSettings(Section):
    # An SQLite file. A URL is refused, which would be taken for a path: see DATABASE_URL.
    database: Annotated[str, Field(min_length=1, pattern=r"^([^?:]|:[^/?])*$")] = "data/feedback.db"
    disk_lasts: bool = not ON_COMMUNITY_CLOUD


class Settings(BaseSettings):
    """All that an owner can set."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="TRYOUT_", env_nested_delimiter="__"
    )

    title: str = ""  # without these three, what the model's card and its task say
    intro: str = ""
    examples: tuple[Annotated[str, Field(pattern=r"\S")], ...] | None = None
    model: ModelSettings = ModelSettings()
    parameters: dict[str, Any] = {}
    limits: Limits = Limits()
    review: Review = Review()
    compare: Compare = Compare()
    serving: Serving = Serving()
    shadow: ShadowSettings = ShadowSettings()
    feedback: FeedbackSettings = FeedbackSettings()
    api_keys: tuple[ApiKey, ...] = ()
    database_url: Annotated[str | None, Field(validation_alias="DATABASE_URL", repr=False)] = None

    @property
    def log_url(self) -> str:
        """The URL of the feedback log: DATABASE_URL, else the SQLite file."""
        return self.database_url or f"sqlite:///{ROOT / self.feedback.database}"

    def service_arguments(self) -> dict[str, Any]:
        """The arguments of `serving.service.Service` that an owner can set."""
        return {
            "name": self.model.name,
            "logs": self.serving.log,
            "max_chars": self.limits.max_chars,
            "max_texts": self.serving.max_texts,
            "max_body_bytes": self.serving.max_body_mb * 1_000_000,
        }

    def shadow_arguments(self) -> dict[str, Any]:
        """The arguments of `serving.shadow.Shadow`, empty if there is none."""
        shadow = self.shadow.model_dump()
        return shadow | {"model_id": shadow.pop("id")} if self.shadow.id else {}

    def route_arguments(self) -> dict[str, Any]:
        """The arguments of `serving.app.routes` that an owner can set."""
        chosen = self.serving.model_dump(include={"cors", "open_metrics", "open_exports"})
        return chosen | {"random_share": self.review.random_share}

    def access_arguments(self) -> dict[str, Any]:
        """The arguments of `serving.access.Access`."""
        return {
            "keys": [key.model_dump() for key in self.api_keys],
            "requests_per_minute": self.serving.requests_per_minute,
        }

    def grpc_arguments(self) -> dict[str, Any]:
        """The arguments of `serving.grpc.server.GrpcServer` that an owner can set."""
        certificate, key = self.serving.grpc_certificate, self.serving.grpc_key
        return {"certificate": certificate and ROOT / certificate, "key": key and ROOT / key}

    @property
    def log_lasts(self) -> bool:
        """True if the feedback survives a restart of this host."""
        return self.feedback.disk_lasts or not self.log_url.startswith("sqlite")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings


def service_settings(url: str, *, token: str) -> ModelSettings:
    """The settings of the model of a service; raises SettingsError for a URL that is none."""
    try:
        return ModelSettings(url=url, token=token)
    except ValidationError:
        raise SettingsError(f"The URL of the service is not {SECRET['model.url']}.") from None


def load_settings(path: Path = ROOT / "app.toml") -> Settings:
    """Reads `path` and the environment, which wins. Raises SettingsError."""
    _require_right_names()
    try:
        return Settings(**tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise SettingsError(f"{path.name} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path.name} is not UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path.name} is not valid TOML: {error}.") from error
    except InvalidVariable as error:
        wrong = [name for name, is_json in _variables() if is_json and not _is_json(name)]
        raise SettingsError(
            f"{' and '.join(wrong) or 'The environment'} must be JSON, as a list, a section, "
            "TRYOUT_PARAMETERS and TRYOUT_MODEL__LABELS are. A section's setting is named like "
            "TRYOUT_MODEL__ID."
        ) from error
    except ValidationError as error:
        # Without its cause, which shows the values of all that is wrong.
        raise SettingsError(_sentence(error.errors()[0], path.name)) from None


def _sentence(first: ErrorDetails, file_name: str) -> str:
    """The reason why a setting is refused, without a value that can be a password."""
    place, input_, reason = first["loc"], first["input"], first["msg"]
    name = ".".join(map(str, place))
    if first["type"] == TOGETHER:  # its input is the whole section, the token included
        return reason
    if place[0] == "api_keys":
        where = f"{' '.join(map(str, place[1:]))}: {reason}" if place[1:] else "no JSON array"
        return (
            f"TRYOUT_API_KEYS is not a list of keys ({where}). Its entries are those that "
            "python -m serving.access new prints."
        )
    if first["type"] == "extra_forbidden":  # its value may be a password in the wrong place
        return (
            f"There is no setting {name}. Remove it from {file_name} or the environment, or "
            "correct its name."
        )
    if name in SECRET:
        return f"The setting {name} must be {SECRET[name]}."
    form = FORMS.get(".".join(part for part in place if isinstance(part, str)))
    if form and first["type"] == "string_pattern_mismatch":
        return f"The setting {name} is {input_!r}; it must be {form}."
    return (
        f"The setting {name} is {input_!r}: {reason}. "
        f"Correct it in {file_name} or in the environment."
    )


# --- the names of the environment -----------------------------------------------------------------


def _variables() -> Iterator[tuple[str, bool]]:
    """The names of all variables with a setting, each with True if its value must be JSON."""
    for name, setting in Settings.model_fields.items():
        if setting.validation_alias:
            continue
        variable, kind = f"TRYOUT_{name.upper()}", setting.annotation
        is_section = isinstance(kind, type) and issubclass(kind, Section)
        yield variable, is_section or _holds_several(kind)
        if is_section:
            for inner, part in cast(type[Section], kind).model_fields.items():
                yield f"{variable}__{inner.upper()}", _holds_several(part.annotation)


def _holds_several(kind: Any) -> bool:
    """True for a list or a mapping, or None in its place."""
    return any(get_origin(each) in (tuple, dict) for each in (kind, *get_args(kind)))


def _is_json(variable: str) -> bool:
    """True also for a variable that is not set."""
    given = {name.upper(): value for name, value in os.environ.items()}
    try:
        json.loads(given.get(variable, "null"))
    except ValueError:
        return False
    return True


def _require_right_names() -> None:
    """Raises SettingsError for a variable that differs from a setting's by underscores alone.

    Others are not refused: Kubernetes sets TRYOUT_PORT and more for a service of that name.
    """
    right = {variable.replace("_", ""): variable for variable, _ in _variables()}
    for given in os.environ:
        name = given.upper()
        meant = right.get(name.replace("_", ""), name)
        if name.startswith("TRYOUT_") and name != meant:
            raise SettingsError(
                f"The environment has {given}, which sets nothing. The setting is {meant}: rename "
                "it."
            )
