"""python -m model.export: exports the model of app.toml as an ONNX graph, which needs no torch."""

import argparse
import sys
from pathlib import Path

from errors import TryoutError
from model.export.errors import ExportError
from model.export.parity import TEXTS, read_texts
from model.export.writer import check_folder, export
from model.model import Model
from model.sources import HOME
from settings import load_settings


def main() -> None:
    """Exports the model of app.toml, and prints the settings that use the export."""
    parser = argparse.ArgumentParser(prog="python -m model.export", description=main.__doc__)
    parser.add_argument("--int8", action="store_true", help="quantize: smaller, often faster")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: data/onnx/NAME")
    parser.add_argument(
        "--texts",
        type=Path,
        default=TEXTS,
        metavar="FILE",
        help="texts to compare on, each on a line",
    )
    given = parser.parse_args()
    try:
        settings = load_settings()
        chosen = settings.model
        if chosen.runtime != "torch":
            raise ExportError(
                f"app.toml names an export already, {chosen.id!r}. Set model.id to the model that "
                'it was made from and model.runtime to "torch".'
            )
        texts = read_texts(given.texts)
        name = Path(chosen.id).name + ("-int8" if given.int8 else "")
        folder = given.out or HOME / "data" / "onnx" / name
        check_folder(folder)
        arguments = chosen.arguments(
            device="cpu",
            dtype="float32",
            params=settings.parameters,
            preprocess="",  # no part of a graph: it comes before it
        )
        model = Model(**arguments)
        model.load()
        exported = export(model, folder, int8=given.int8, texts=texts)
    except TryoutError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        sys.exit(f"{folder} cannot be written: {error.strerror}. Name another folder with --out.")
    shown = folder.relative_to(HOME) if folder.is_relative_to(HOME) else folder
    print(f"{exported.dtype}: {exported.parity}.")
    print(f'Written. In app.toml, under [model]:\nid = "{shown}"\nruntime = "onnx"')


if __name__ == "__main__":
    main()
