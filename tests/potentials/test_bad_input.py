"""What a user can get wrong with `pair_style lamplighter` gets a message that names it and the remedy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from lammps_evaluation import load
from tests.conftest import Run

import structures
from lamplighter.potentials.bridge import callbacks as bridge

ELEMENTS = " ".join(structures.ELEMENTS)


@pytest.fixture(autouse=True)
def forget_the_error() -> None:
    bridge.pending_error()


def message_of(lmp, atoms: Atoms, coeff: str, style: str = "lamplighter") -> str:  # type: ignore[no-untyped-def]
    def attempt() -> None:
        load(lmp, atoms, style, coeff)
        lmp.command("run 0 post no")

    with pytest.raises(Exception) as caught:  # noqa: PT011  (LAMMPS raises plain Exception)
        attempt()
    return str(caught.value)


def test_missing_model(lammps_instance) -> None:
    message = message_of(lammps_instance, structures.lone_atom(), f"no_such.model {ELEMENTS}")
    assert "no_such.model" in message
    assert "does not exist" in message


@pytest.mark.parametrize("share", [0.5, 0.0])
def test_truncated_model(lammps_instance, small_model: Path, tmp_path: Path, share: float) -> None:
    content = small_model.read_bytes()
    broken = tmp_path / "broken.model"
    broken.write_bytes(content[: int(share * len(content))])
    message = message_of(lammps_instance, structures.lone_atom(), f"{broken} {ELEMENTS}")
    assert "broken.model" in message
    assert any(word in message for word in ("truncated", "empty", "corrupt", "damaged", "incomplete"))


def test_file_that_is_no_model(lammps_instance, tmp_path: Path) -> None:
    text = tmp_path / "notes.model"
    text.write_text("not a model\n" * 20)
    assert "notes.model" in message_of(lammps_instance, structures.lone_atom(), f"{text} {ELEMENTS}")


def test_model_of_another_framework(lammps_instance, tmp_path: Path) -> None:
    import torch

    other = tmp_path / "other.pt"
    torch.save(torch.nn.Linear(2, 2), other)
    message = message_of(lammps_instance, structures.lone_atom(), f"{other} {ELEMENTS}")
    assert "other.pt" in message
    assert "kind" in message


def test_unknown_kind(lammps_instance, small_model: Path) -> None:
    message = message_of(lammps_instance, structures.lone_atom(), f"{small_model} {ELEMENTS}", "lamplighter kind mase")
    assert "'mase'" in message
    assert "mace" in message


def test_model_for_other_elements(lammps_instance, small_model: Path) -> None:
    message = message_of(lammps_instance, structures.lone_atom(), f"{small_model} H Li O")
    assert "Li" in message
    assert "H, C, O" in message


def test_fewer_elements_than_types(lammps_instance, small_model: Path) -> None:
    message = message_of(lammps_instance, structures.lone_atom(), f"{small_model} H C")
    assert "3 elements" in message


def test_a_word_that_is_no_element(lammps_instance, small_model: Path) -> None:
    message = message_of(lammps_instance, structures.lone_atom(), f"{small_model} H Qq O")
    assert "'Qq' (atom type 2)" in message


def test_null_element(lammps_instance, small_model: Path) -> None:
    message = message_of(lammps_instance, structures.lone_atom(), f"{small_model} H NULL O")
    assert "type 2 is NULL" in message


@pytest.mark.parametrize(
    ("style", "words"),
    [
        ("lamplighter dtype float16", ["dtype", "float16", "float32 or float64"]),
        ("lamplighter device gpu", ["device", "'gpu'", "cuda:K"]),
        ("lamplighter precision high", ["'precision'", "dtype, device, kind, engine, "]),
        ("lamplighter dtype", ["'dtype'", "lacks its value"]),
    ],
)
def test_wrong_keywords(lammps_instance, small_model: Path, style: str, words: list[str]) -> None:
    message = message_of(lammps_instance, structures.lone_atom(), f"{small_model} {ELEMENTS}", style)
    for word in words:
        assert word in message


def test_gpu_where_there_is_none(lammps_instance, small_model: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    message = message_of(
        lammps_instance, structures.lone_atom(), f"{small_model} {ELEMENTS}", "lamplighter device cuda"
    )
    assert "finds no GPU" in message
    assert "device cpu" in message


def test_overlapping_atoms_are_named(lammps_instance, small_model: Path) -> None:
    atoms = Atoms("OCH", [[1, 1, 1], [5, 5, 5], [5, 5, 5.05]], cell=[20] * 3, pbc=True)
    message = message_of(lammps_instance, atoms, f"{small_model} {ELEMENTS}")
    assert "2" in message
    assert "3" in message
    assert "0.05 Angstrom" in message


def test_nan_positions_are_named(lammps_instance, small_model: Path) -> None:
    load(lammps_instance, structures.dimer_and_lone_atom(), "lamplighter", f"{small_model} {ELEMENTS}")
    lammps_instance.commands_string("fix move all nve\nrun 0 post no")
    x = lammps_instance.numpy.extract_atom("x")
    x[1, 2] = np.nan
    with pytest.raises(Exception, match=r"Atom 2 has the position .*nan"):
        lammps_instance.command("run 1 pre no post no")


def test_newton_off(lammps_instance, small_model: Path) -> None:
    lammps_instance.commands_string(
        "clear\nunits metal\nnewton off\nregion b block 0 9 0 9 0 9\ncreate_box 3 b\nmass * 1"
    )
    lammps_instance.commands_string(f"pair_style lamplighter\npair_coeff * * {small_model} {ELEMENTS}")
    with pytest.raises(Exception, match="newton on"):
        lammps_instance.command("run 0")


def test_other_units(lammps_instance, small_model: Path) -> None:
    lammps_instance.commands_string("clear\nunits lj\nregion b block 0 9 0 9 0 9\ncreate_box 3 b\nmass * 1")
    lammps_instance.commands_string(f"pair_style lamplighter\npair_coeff * * {small_model} {ELEMENTS}")
    with pytest.raises(Exception, match="units metal or real, got units lj"):
        lammps_instance.command("run 0")


def test_plain_lmp_says_how_to_get_a_model_evaluated(run: Run, lmp: Path, small_model: Path, tmp_path: Path) -> None:
    script = tmp_path / "in.plain"
    script.write_text(
        "units metal\nregion b block 0 9 0 9 0 9\ncreate_box 3 b\nmass * 1\n"
        f"pair_style lamplighter\npair_coeff * * {small_model} {ELEMENTS}\n"
    )
    done = run([lmp, "-in", script, "-log", "none"])
    assert done.returncode != 0
    assert "lamplighter lmp -in" in done.stdout + done.stderr
