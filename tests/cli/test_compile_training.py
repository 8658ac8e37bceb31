"""`lamplighter compile --training`: what is learnt is said, and nothing is written where it cannot be learnt."""

from __future__ import annotations

import json
from pathlib import Path

from ase import Atoms
from ase.io import read, write

from .conftest import Lamplighter

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
MODEL = EXAMPLE / "models" / "ec_emc_0.model"
GAP = EXAMPLE / "frameworks" / "models" / "gap" / "gap_0.xml"


def test_a_model_learns_its_training_set_and_holds_frames_against_it(lamplighter: Lamplighter, tmp_path: Path) -> None:
    write("train.xyz", read(EXAMPLE / "data" / "xtb_train.xyz", ":25"))
    code, out, err = lamplighter("compile", MODEL, "-o", "out.lamp", "--training", "train.xyz")
    assert code == 0, err
    assert "inputs of the last layers of ec_emc_0.model: 48 numbers an atom" in out
    assert "Note: 3 frames of one atom were left out" in out
    code, out, err = lamplighter("extrapolation", "check", "out.lamp", "train.xyz", "--dt", "1 ps", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["measure"] == "U"
    assert abs(found["flagged"] - found["flagged_expected"]) < 0.02  # of the three isolated atoms, too


def test_what_a_model_makes_of_its_training_set_is_written_beside_it(lamplighter: Lamplighter, tmp_path: Path) -> None:
    write("train.xyz", read(EXAMPLE / "data" / "xtb_train.xyz", "5:15"))
    (tmp_path / "own.model").symlink_to(MODEL)
    code, out, err = lamplighter("compile", "own.model", "-o", "own.training", "--training", "train.xyz")
    assert code == 0, err
    assert "inputs of the last layers of own.model: 48 numbers an atom" in out
    code, out, err = lamplighter("extrapolation", "check", "own.training", "train.xyz", "--dt", "1 ps", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["measure"] == "U"
    assert abs(found["flagged"] - found["flagged_expected"]) < 1e-6
    for words, message in [
        (("own.model", "-o", "other.training"), "name that, --training FILE"),
        (("own.model", MODEL, "-o", "other.training", "--training", "train.xyz"), "and 2 are given"),
        ((GAP, "-o", "other.training", "--training", "train.xyz"), "does not give what its last layers see"),
    ]:
        code, _, err = lamplighter("compile", *words)
        assert code == 1
        assert message in err
    assert not list(tmp_path.glob("*other*"))


def test_what_cannot_be_learnt_leaves_nothing_behind(lamplighter: Lamplighter, tmp_path: Path) -> None:
    write("few.xyz", Atoms("CO", [[0, 0, 0], [0, 0, 1.2]]))
    code, _, err = lamplighter("compile", MODEL, "-o", "out.lamp", "--training", "few.xyz")
    assert code == 1
    assert "holds no H in frames of two atoms or more, and the model knows H C O" in err
    assert lamplighter("compile", MODEL, "-o", "out.lamp", "--training", "none.xyz")[0] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["few.xyz"]
    assert lamplighter("compile", MODEL, "-o", "out.lamp")[0] == 0
    code, _, err = lamplighter("extrapolation", "check", "out.lamp", "few.xyz")
    assert code == 1
    assert "out.lamp knows nothing of its training set" in err
