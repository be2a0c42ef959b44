"""The source of a model's files: a folder, or the Hugging Face Hub.

Knows the names, sizes and hashes of files, and the config; does not interpret weights or tokenizer.
"""

import fnmatch
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.card import CARD
from model.errors import ModelLoadError

HOME = Path(__file__).parent.parent
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
SMALL_FILES = ("*.json", "*.jinja", "*.txt", "*.model", "bpe.codes")
SAFETENSORS = ("model.safetensors", "model-*-of-*.safetensors")
PICKLES = ("pytorch_model.bin", "pytorch_model-*-of-*.bin")
ONNX = "model.onnx"  # the graph; its weights are in model.onnx.data


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A place to look for a model, and the files that may be read; see `class Model`."""

    model_id: str
    revision: str | None = None
    allow_pickle: bool = False
    trust_remote_code: bool = False
    is_export: bool = False

    @property
    def weights(self) -> tuple[str, ...]:
        """Patterns of weight files, the preferred first; pickles last, since they can run code."""
        if self.is_export:
            return (f"{ONNX}*",)
        return (*SAFETENSORS, *PICKLES) if self.allow_pickle else SAFETENSORS

    @property
    def small_files(self) -> tuple[str, ...]:
        """Patterns of the files that are fetched before the weights."""
        return (*SMALL_FILES, "*.py") if self.trust_remote_code else SMALL_FILES


@dataclass(frozen=True, slots=True)
class Listing:
    """A model before its weights are read: its folder, and the size of each weight file in bytes.

    The folder is a snapshot if the model is on the Hub; then `commit` is its commit, else "".
    """

    folder: Path
    commit: str
    weights: Mapping[str, int]

    @property
    def config(self) -> Mapping[str, Any]:
        """The contents of config.json; raises ModelLoadError if it is not a JSON object."""
        try:
            value = json.loads((self.folder / "config.json").read_text(encoding="utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise ModelLoadError(
                f"Its config.json is not JSON: {error}. Save or fetch the model anew."
            ) from error
        if not isinstance(value, dict):
            raise ModelLoadError("Its config.json is not a JSON object. Save the model anew.")
        return value


def find(source: ModelSource) -> Listing:
    """The small files of a model, and the sizes of its weights; fetches no weights.

    Raises ModelLoadError if there is no such model, or if it is incomplete.
    """
    folder = _local(source.model_id)
    if folder is None:
        return _find_on_hub(source)
    if source.revision:
        raise ModelLoadError(
            f"It is a folder, which has no revision {source.revision!r}. Leave the revision out."
        )
    return _listing(folder, "", _sizes(folder), source)


def fetch(source: ModelSource, listing: Listing) -> str:
    """Downloads the weights of a model on the Hub, unless they are here already.

    Returns the revision, as `revision_of` does. Raises ModelLoadError if the Hub refuses or cannot
    be reached.
    """
    if listing.commit:
        _download(source, listing.commit, list(listing.weights))
    return revision_of(source, listing)


def revision_of(source: ModelSource, listing: Listing) -> str:
    """The revision that pins a model's content: the commit, or a hash of the folder's files."""
    return listing.commit or _hash(listing.folder, (*source.small_files, *listing.weights))


def _local(model_id: str) -> Path | None:
    for folder in (Path(model_id).expanduser(), HOME / model_id):
        if folder.is_dir():
            return folder
    if model_id.startswith((".", "/", "~", "model/")):
        raise ModelLoadError("There is no such folder. Check its name.")
    return None


def _find_on_hub(source: ModelSource) -> Listing:
    small = (*source.small_files, CARD)
    listed = _download(source, source.revision, (*small, *source.weights), list_only=True)
    folder = Path(_download(source, source.revision, small))
    # Without a network the files that were fetched earlier are used.
    files = _sizes(folder) if listed is None else {f.filename: f.file_size for f in listed}
    return _listing(folder, folder.name, files, source)


def _sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}


def _listing(folder: Path, commit: str, files: Mapping[str, int], source: ModelSource) -> Listing:
    weights = _weights(files, source)
    index = folder / f"{next(iter(weights)).split('-')[0]}.safetensors.index.json"
    if len(weights) > 1 and index.is_file():
        wanted = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        if missing := sorted(wanted - weights.keys()):
            raise ModelLoadError(
                f"It lacks {missing[0]}, a part of its weights. Fetch or save the model anew."
            )
    return Listing(folder, commit, weights)


def _download(
    source: ModelSource, revision: str | None, patterns: Sequence[str], *, list_only: bool = False
) -> Any:
    """The folder of a snapshot; with `list_only` the files of the model on the Hub.

    The list is None if the Hub cannot be reached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        DryRunError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return snapshot_download(
            source.model_id,
            revision=revision,
            allow_patterns=list(patterns),
            ignore_patterns="*/*",
            dry_run=list_only,
        )
    except DryRunError:
        return None
    except UnicodeEncodeError as error:
        raise ModelLoadError("HF_TOKEN has characters that no token has. Set it anew.") from error
    except HFValidationError as error:
        raise ModelLoadError("It is neither a folder nor a Hub id like 'owner/name'.") from error
    except GatedRepoError as error:
        raise ModelLoadError(
            "It is gated: accept its terms on the Hub and set HF_TOKEN."
        ) from error
    except RevisionNotFoundError as error:
        raise ModelLoadError(
            f"The Hub has no revision {revision!r} of it. Check its name."
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelLoadError(
            "The Hub has no such model, or it is private: check the id, or set HF_TOKEN."
        ) from error
    except LocalEntryNotFoundError as error:
        raise ModelLoadError(
            "There is no such folder, and the Hub cannot be reached to look for it. "
            "Check the name and the network."
        ) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        advice = "Check HF_TOKEN." if status in (401, 403) else "Try again later."
        raise ModelLoadError(f"The Hub refuses it with status {status}. {advice}") from error


def _weights(files: Mapping[str, int], source: ModelSource) -> dict[str, int]:
    """The weight files to read, with sizes; raises ModelLoadError if the model is incomplete."""

    def matching(patterns: Iterable[str]) -> dict[str, int]:
        return {n: s for n, s in files.items() if any(fnmatch.fnmatch(n, p) for p in patterns)}

    advice = "Save model and tokenizer there with save_pretrained."
    if "config.json" not in files:
        raise ModelLoadError(f"It lacks config.json. {advice}")
    # Without these files transformers makes an empty tokenizer and gives no error.
    if not matching(TOKENIZER_FILES):
        raise ModelLoadError(f"It lacks its tokenizer (tokenizer.json). {advice}")
    if source.is_export and ONNX not in files:
        raise ModelLoadError(
            f'It lacks {ONNX}, which runtime = "onnx" needs. Export the model with make onnx, and '
            "name the folder that it prints."
        )
    for pattern in source.weights:
        if weights := matching([pattern]):
            return weights
    if matching(PICKLES):
        raise ModelLoadError(
            "Its weights are pickled, and a pickle can run code when it is read. Convert them to "
            "safetensors, or set allow_pickle = true if you trust where they come from."
        )
    if ONNX in files:
        raise ModelLoadError('It is an export to ONNX. Set runtime = "onnx".')
    raise ModelLoadError(f"It lacks its weights (model.safetensors). {advice}")


def _hash(folder: Path, patterns: Iterable[str]) -> str:
    """The first 12 hex digits of a SHA-256 over the names and contents of the model's files."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in patterns for path in folder.glob(pattern)}):
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]
