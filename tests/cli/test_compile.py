"""`lamplighter compile`: words that do not go together. What it makes is tested with the potentials."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from .conftest import Lamplighter


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a.nequip.zip", "b.nequip.zip", "-o", "a.nequip.pt2"], "become machine code one by one, and 2 are given"),
        (["a.nequip.zip", "--elements", "H C", "-o", "a.nequip.pt2"], "--elements is for .lamp files"),
        (["a.nequip.zip", "-o", "a.pt2"], "a.pt2: compiled models end in .lamp"),
        (["a.nequip.zip", "-o", "none/a.nequip.pt2"], "there is no folder none"),
        (
            ["a.nequip.zip", "--training", "train.xyz", "-o", "a.nequip.pt2"],
            "--training is for .lamp files, and a.nequip.zip becomes machine code",
        ),
        (["a.model", "-o", "a.nequip.pt2"], "a.nequip.pt2: compiled models end in .lamp"),
    ],
)
def test_words_that_do_not_go_together(
    lamplighter: Lamplighter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.nequip.zip", "b.nequip.zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as file:
            file.writestr("a/model/package_metadata.txt", "atom_types: {0: H}\n")
    code, _, error = lamplighter("compile", *words)
    assert code == 1
    assert said in error
