"""Say what model files are: framework, elements, cutoff, and what runs them.

No code that is in a file is run; what could be told only that way is left out, and the output says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lamplighter.cli import options

if TYPE_CHECKING:
    from lamplighter.model_files.description import Description

_ELEMENTS_SHOWN = 24


def models(
    files: Annotated[
        list[Path],
        typer.Argument(help="Model files of any framework, or run files that name model files.", metavar="FILE…"),
    ],
    as_json: options.Json = False,
) -> None:
    from lamplighter.errors import LamplighterError, ModelError
    from lamplighter.json_text import json_text
    from lamplighter.model_files.describe import describe

    described: dict[Path, Description] = {}
    refused = []
    for path in _named(files):
        try:
            described[path] = describe(path)
        except ModelError as problem:
            refused.append(str(problem))
    if as_json:
        print(json_text({str(path): found for path, found in described.items()}))
    elif described:
        print("\n\n".join(_text(path, found) for path, found in described.items()))
    if refused:
        raise LamplighterError("\n".join(refused))


def _text(path: Path, found: Description) -> str:
    return "\n".join([str(path), *(f"  {name:<16}{text}" for name, text in _lines(found) if text)])


def _named(files: list[Path]) -> list[Path]:
    """Model files, and those that run files name."""
    from lamplighter import pretrained_weights
    from lamplighter.config.loading import load_run_file
    from lamplighter.errors import LamplighterError

    found = []
    for path in files:
        if not _is_run_file(path):
            found.append(pretrained_weights.file_of(path))
            continue
        models = load_run_file(path).potential.models
        if not models:
            raise LamplighterError(f"{path} is a run file whose potential names no model files (potential.models)")
        found += models
    return found


def _is_run_file(path: Path) -> bool:
    import yaml

    if path.suffix not in (".yaml", ".yml"):
        return False
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return False
    return isinstance(content, dict) and "potential" in content


def _lines(found: Description) -> list[tuple[str, str]]:
    exchanges = {
        None: "",
        True: "yes: ranks exchange node features at each layer",
        False: "none: the model is strictly local",
    }
    shown = found.elements[:_ELEMENTS_SHOWN]
    more = f" and {len(found.elements) - len(shown)} more" if len(found.elements) > len(shown) else ""
    energies = ", ".join(
        f"{symbol} {found.atomic_energies[symbol]:.6g}" for symbol in shown if symbol in found.atomic_energies
    )
    return [
        ("framework", f"{found.framework}, {found.form}"),
        ("version", found.version or ""),
        ("elements", " ".join(shown) + more),
        ("cutoff", f"{found.cutoff:g} Å" if found.cutoff is not None else ""),
        ("layers", str(found.layers or "")),
        ("precision", found.precision or ""),
        ("parameters", str(found.parameters or "")),
        ("atomic energies", f"{energies}{more} (eV)" if energies else ""),
        *(("descriptor", each) for each in found.descriptors),
        ("heads", f"{', '.join(found.heads)} ({_which(found.head)})" if len(found.heads) > 1 else ""),
        ("exchanges", exchanges[found.exchanges]),
        ("needs", found.needs),
        ("sha256", found.sha256),
        *(("note", note) for note in found.notes),
    ]


def _which(head: str | None) -> str:
    return f"a run uses {head}, or `head NAME`" if head is not None else "a run has to name one: `head NAME`"
