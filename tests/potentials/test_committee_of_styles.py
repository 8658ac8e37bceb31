"""`pair_style lamplighter/committee` against each of its members run alone in LAMMPS."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lammps_evaluation import load
from tests.conftest import PROGRAMS, Run

import structures
from conftest import build_mace

PROGRAM = Path(__file__).with_name("committee_of_styles_evaluation.py")
# style, its own words, coefficients: with different cutoffs
MEMBERS = (("lj/cut", "6.0", "0.4 2.3"), ("lj/cut", "6.0", "0.5 2.25"), ("morse", "5.5", "0.34 1.36 2.87"))
STYLES = " ".join(f"{style} {words}" for style, words, _ in MEMBERS)
COEFFS = [f"* * {k} {coeff}" for k, (_, _, coeff) in enumerate(MEMBERS, start=1)]

Evaluate = Callable[..., dict[str, np.ndarray]]


@pytest.fixture
def evaluate(mpirun: Run, python: Path, tmp_path: Path) -> Evaluate:
    def run(style: str, coeffs: list[str], ranks: int = 1, setup: str = "newton on") -> dict[str, np.ndarray]:
        out = tmp_path / "out.npz"
        done = mpirun(ranks, [python, PROGRAM, out, setup, style, *coeffs], timeout=200)
        assert done.returncode == 0, done.stderr[-2000:]
        return dict(np.load(out))

    return run


@pytest.fixture(scope="module")
def alone() -> list[dict[str, np.ndarray]]:
    return []


def members_alone(alone: list[dict[str, np.ndarray]], evaluate: Evaluate) -> list[dict[str, np.ndarray]]:
    if not alone:
        alone += [evaluate(f"{style} {words}", [f"* * {coeff}"]) for style, words, coeff in MEMBERS]
    return alone


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("ranks", "setup"), [(1, "newton on"), (2, "newton on"), (4, "newton on"), (1, "newton off"), (2, "newton off")]
)
def test_members_are_what_they_are_alone(
    evaluate: Evaluate, alone: list[dict[str, np.ndarray]], ranks: int, setup: str
) -> None:
    each = members_alone(alone, evaluate)
    found = evaluate(f"lamplighter/committee committee every 5 drive 2 {STYLES}", COEFFS, ranks, setup)
    forces = np.array([one["forces"] for one in each])
    sigma = ((forces - forces.mean(axis=0)) ** 2).sum(axis=(0, 2)) / 3
    np.testing.assert_allclose(found["variance"], sigma, rtol=1e-9, atol=1e-12)
    energies = np.array([one["energy"] for one in each])
    assert found["numbers"][0] == pytest.approx(sigma.max())
    assert found["numbers"][1] == pytest.approx(sigma.mean())
    assert found["numbers"][4] == pytest.approx(energies.std())
    assert found["numbers"][7] == 3
    assert found["numbers"][9] == pytest.approx(sigma.max())  # of the one atom type
    for name in ("forces", "energies", "virials", "pressure", "energy"):
        scale = np.abs(each[1][name]).max()
        np.testing.assert_allclose(found[name], each[1][name], rtol=1e-9, atol=1e-11 * scale)
    np.testing.assert_allclose(found["later_forces"], each[1]["later_forces"], rtol=0, atol=1e-8)
    assert found["later_step"] == 5


@pytest.mark.mpi
@pytest.mark.parametrize("drive", ["mean", "hal 0.8", "hal 0.8 cap 5"])
def test_weighted_sums_drive(evaluate: Evaluate, alone: list[dict[str, np.ndarray]], drive: str) -> None:
    each = members_alone(alone, evaluate)
    found = evaluate(f"lamplighter/committee committee every 5 drive {drive} {STYLES}", COEFFS, 2)
    energies = np.array([one["energy"] for one in each])
    sigma, weights, bias = energies.std(), np.full(3, 1 / 3), 0.0
    if drive != "mean":
        cap = 5.0 if "cap" in drive else 1e9
        bias = cap * np.tanh(0.8 * sigma / cap)
        weights -= 0.8 * (1 - (bias / cap) ** 2) * (energies - energies.mean()) / (3 * sigma)
    for name in ("forces", "pressure"):
        expected = np.einsum("k,k...->...", weights, np.array([one[name] for one in each]))
        np.testing.assert_allclose(found[name], expected, rtol=1e-8, atol=1e-8 * np.abs(expected).max())
    assert found["energy"] == pytest.approx(energies.mean() - bias, rel=1e-9)
    assert found["energies"].sum() == pytest.approx(energies.mean() - bias, rel=1e-9)
    assert found["later_step"] == 7


def test_beside_another_style_in_a_hybrid(lammps_instance, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """What the other style has put into the forces is not taken for a member's, and not lost."""
    lmp = lammps_instance
    system = (
        "clear\nunits metal\natom_modify map yes\nlattice fcc 3.7\nregion b block 0 4 0 4 0 4\ncreate_box 1 b\n"
        "create_atoms 1 box\nmass 1 63.5\ndisplace_atoms all random 0.1 0.1 0.1 17 units box\n"
    )
    own = f"lamplighter/committee committee every 2 {STYLES}"

    def run(style: str, coeffs: list[str]) -> tuple[np.ndarray, float, np.ndarray]:
        lmp.commands_string(
            system + f"pair_style {style}\n" + "".join(f"pair_coeff {c}\n" for c in coeffs) +
            "thermo_style custom step pe pxx\nthermo_modify norm no\nthermo 1\nrun 1 post no"  # nothing moves
        )  # fmt: skip
        return np.array(lmp.gather_atoms("f", 1, 3)), lmp.get_thermo("pe"), lmp.get_thermo("pxx")

    committee = run(own, COEFFS)
    other = run("yukawa 1.0 4.0", ["* * 2.0"])
    coeffs = [f"* * lamplighter/committee {c[4:]}" for c in COEFFS] + ["* * yukawa 2.0"]
    within = own.replace("lj/cut", "=lj/cut").replace("morse", "=morse")
    both = run(f"hybrid/overlay yukawa 1.0 4.0 {within}", coeffs)
    for a, b, c in zip(committee, other, both, strict=True):
        np.testing.assert_allclose(np.asarray(c), np.asarray(a) + np.asarray(b), rtol=1e-9, atol=1e-9)


@pytest.mark.mpi
def test_machine_learned_members_give_what_one_style_of_several_models_gives(
    mpirun: Run, python: Path, tmp_path: Path, lammps_instance
) -> None:  # type: ignore[no-untyped-def]
    lmp, elements = lammps_instance, " ".join(structures.ELEMENTS)
    models = [build_mace(tmp_path / f"{k}.model", channels=4, hidden_ell=0, interactions=2, seed=k) for k in range(2)]

    def variance(style: str, coeffs: list[str]) -> np.ndarray:
        load(lmp, structures.liquid(), style, coeffs[0])
        for coeff in coeffs[1:]:
            lmp.command(f"pair_coeff * * {coeff}")
        lmp.commands_string(f"fix v all pair 1 {style.split()[0]} variance 0\nrun 0 post no")
        return np.array(lmp.gather("f_v", 1, 1))

    one = variance("lamplighter committee every 3", [f"{models[0]} {models[1]} {elements}"])
    two = variance(
        "lamplighter/committee committee every 3 lamplighter dtype float64 lamplighter dtype float64 engine bridge",
        [f"{k} {model} {elements}" for k, model in enumerate(models, start=1)],
    )
    np.testing.assert_allclose(two, one, rtol=1e-6, atol=1e-12)


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2])
def test_the_guard_watches_any_styles(run: Run, tmp_path: Path, ranks: int) -> None:
    (tmp_path / "in.lmp").write_text(
        "units metal\natom_modify map yes\nlattice fcc 3.7\nregion b block 0 4 0 4 0 4\ncreate_box 1 b\n"
        "create_atoms 1 box\nmass 1 63.546\nvelocity all create 3000 5 loop geom\n"
        f"pair_style lamplighter/committee committee every 4 {STYLES}\n"
        + "".join(f"pair_coeff {coeff}\n" for coeff in COEFFS)
        + "fix move all nve\nfix g all guard 1 variance 0.02 event events.jsonl snapshot failure.xyz\nrun 400\n"
    )
    words: list[str | Path] = [PROGRAMS / "mpirun", "-n", str(ranks), PROGRAMS / "lmp", "-in", "in.lmp", "-log", "none"]
    done = run(words, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    (event,) = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert event["criterion"] == "variance"
    assert event["step"] % 4 == 0
    assert 0 < event["step"] < 400
    assert event["value"] > 0.02
    assert event["elements"][0] == "Cu"


@pytest.mark.parametrize(
    ("style", "coeff", "message"),
    [
        ("lj/cut 5.0 lj/cut 5.0", "* * 1 1 1", "needs 'committee every N'"),
        ("committee every 5 lj/cut 5.0", "* * 1 1 1", "a committee needs two models or more, and lj/cut is alone"),
        ("committee every 5", "* * 1 1 1", "a committee needs two models or more, and nothing is alone"),
        ("committee every 5 speed 3 lj/cut 5.0", "* * 1 1 1", "'speed' is neither committee, drive or divisor nor a"),
        ("committee every 5 hybrid lj/cut 5.0 morse 5.0", "* * 1 1 1", "hybrid cannot be a member"),
        ("committee every 5 drive 3 lj/cut 5.0 morse 5.0", "* * 1 1 1", "asks for a model beyond the 2 there are"),
        ("committee every 5 lj/cut 5.0 morse 5.0", "* * 3 1 1", "Numeric index 3 is out of bounds"),
        ("committee every 5 lj/cut 5.0 morse 5.0", "* *", "needs the number of a member"),
        ("committee every 5 lj/cut 5.0 morse 5.0", "* * 1 0.4 2.3", "coeffs are not set"),
    ],
)
def test_wrong_words_are_refused(lammps_instance, style: str, coeff: str, message: str) -> None:  # type: ignore[no-untyped-def]
    lammps_instance.commands_string("clear\nunits metal\nregion b block 0 20 0 20 0 20\ncreate_box 1 b\nmass * 1.0")
    with pytest.raises(Exception) as caught:  # noqa: PT011 (LAMMPS raises plain exceptions)
        lammps_instance.commands_string(f"pair_style lamplighter/committee {style}\npair_coeff {coeff}\nrun 0")
    assert message in str(caught.value)
