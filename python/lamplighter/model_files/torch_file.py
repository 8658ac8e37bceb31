"""What kind of torch file a model file is, from its first bytes and its table of contents; torch is not imported."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal

from lamplighter.errors import ModelError
from lamplighter.frameworks import FRAMEWORKS
from lamplighter.model_files import recognition, training_files
from lamplighter.model_files.deepmd_graph import looks_like_graph

_ZIP_START = b"PK\x03\x04"
_LEGACY_START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"  # torch.save before torch 1.6
_OTHER_STARTS = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself; fetch it with `git lfs pull`"),
    (b"<!DOCTYPE", "a web page; download the file itself"),
    (b"<html", "a web page; download the file itself"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
)


def require_model_file(path: Path, kind: str = "auto") -> None:
    """Check that a file exists, can be read and is a torch file, a torch package or a text of a known kind; not loaded.

    Args:
        path: The file.
        kind: That was named for it. What files of another package's kind look like is that package's business.

    Raises:
        ModelError: naming the file, what was found, and the remedy; of what training leaves, the file to use.
    """
    path = Path(path)
    start = read_bytes(path, 64)
    training_files.refuse(path)
    if kind != "auto" and kind not in FRAMEWORKS:
        return
    if not recognition.is_text(path):
        kind_of(path, start)


def read_bytes(path: Path, size: int = -1) -> bytes:
    """The content of a model file, or its first bytes.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        if path.is_dir():
            raise ModelError(f"model file {path} is a folder; give the file itself")
        with path.open("rb") as file:
            return file.read(size)
    except FileNotFoundError as problem:
        raise ModelError(f"model file {path} does not exist; check the path (here: {Path.cwd()})") from problem
    except OSError as problem:
        raise ModelError(f"model file {path} cannot be read: {problem.strerror or problem}") from problem


def kind_of(path: Path, start: bytes) -> Literal["zip", "legacy", "torchscript", "package", "compiled"]:
    """What kind of torch file this is, from its first bytes and, for a zip archive, its table of contents.

    Raises:
        ModelError: it is none, or it is truncated; the message says what was found.
    """
    if not start:
        raise ModelError(f"model file {path} is empty; copy or download it again")
    if start.startswith(_LEGACY_START):
        return "legacy"
    if not start.startswith(_ZIP_START):
        found = next((text for begin, text in _OTHER_STARTS if start.startswith(begin)), None)
        if found is None and looks_like_graph(path):
            found = "a frozen model of DeePMD-kit; write `kind: deepmd` in the run file (docs/how_to/deepmd.md)"
        shown = start[:16]
        raise ModelError(
            f"model file {path} is not a torch file: it is {found}"
            if found
            else f"model file {path} is not a torch file: it begins with {shown!r}; expected a file written by "
            "torch.save or torch.jit.save"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name.partition("/")[2] for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError) as problem:
        raise ModelError(
            f"model file {path} is truncated: it begins as a torch file, and its end is missing "
            f"({path.stat().st_size} bytes); copy or download it again"
        ) from problem
    if "model/package_metadata.txt" in members:
        return "package"
    if any(name.startswith("data/aotinductor/") for name in members):
        return "compiled"
    if "data.pkl" not in members:
        raise ModelError(
            f"model file {path} is a zip archive without a torch model in it; expected a file written by "
            "torch.save or torch.jit.save"
        )
    return "torchscript" if "constants.pkl" in members else "zip"
