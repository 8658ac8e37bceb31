"""Q-residuals: against scikit-learn's PCA, and on frames that are, and are not, like those of a training set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import read
from sklearn.decomposition import PCA

from lamplighter.analysis import soap as soap_module
from lamplighter.analysis.extrapolation import fit_pca, threshold
from lamplighter.analysis.soap import Soap, SoapParameters
from lamplighter.errors import LamplighterError, TrajectoryError
from lamplighter.observables.extrapolation import (
    Extrapolation,
    check_frames,
    fit_training_set,
    load_extrapolation,
    save_extrapolation,
)
from lamplighter.structures.frame_of_atoms import frame_of_atoms

DATA = Path(__file__).parents[2] / "examples" / "ec_emc" / "data"
TRAINING = DATA / "liquid_train.xyz"


@pytest.fixture(scope="module")
def liquids() -> list[Atoms]:
    """Training frames at densities of 0.9 to 1.1 g/cm³, one of every three."""
    frames = [atoms for atoms in read(TRAINING, ":") if 0.9 < atoms.info.get("density", 0.0) < 1.1]
    return frames[::3]


@pytest.fixture(scope="module")
def fitted(liquids: list[Atoms]) -> Extrapolation:
    """All but the last four of these frames."""
    return fit_training_set(TRAINING, liquids[:-4])


def checked(frames: list[Atoms], fitted: Extrapolation):  # type: ignore[no-untyped-def]
    return check_frames(Path("frames.xyz"), [frame_of_atoms(a, k) for k, a in enumerate(frames)], fitted)


def test_q_is_the_squared_distance_to_scikit_learns_reconstruction() -> None:
    rng = np.random.default_rng(0)
    training = rng.normal(size=(60, 8)) @ rng.normal(size=(8, 30))
    others = rng.normal(size=(9, 30))
    theirs = PCA(n_components=5, svd_solver="full").fit(training)
    ours = fit_pca(training)
    for x in (training, others):
        q, inside = ours.residuals(x)
        back = theirs.inverse_transform(theirs.transform(x))
        np.testing.assert_allclose(q, ((x - back) ** 2).sum(axis=1), rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(np.abs(inside), np.abs(theirs.transform(x)), rtol=1e-6, atol=1e-7)
    limit = threshold(ours.residuals(training)[0])
    q = ours.residuals(training)[0]
    assert limit.value == pytest.approx(q.mean() + 2 * q.std())
    assert limit.flagged == np.mean(q > q.mean() + 2 * q.std())


def test_descriptors_do_not_change_with_chunks_cells_or_the_order_of_elements(
    liquids: list[Atoms], monkeypatch: pytest.MonkeyPatch
) -> None:
    atoms = liquids[0]
    soap = Soap(SoapParameters(("H", "C", "O")))
    assert soap.parameters.n_features == 2100
    whole = soap.describe(atoms, range(6))
    assert whole.shape == (6, 2100)
    outside = atoms.copy()
    outside.positions[:5] += atoms.cell[0] - 2 * atoms.cell[1]
    np.testing.assert_allclose(soap.describe(outside, range(6)), whole, rtol=1e-6, atol=1e-8)
    turned = atoms.copy()
    turned.rotate(40, [1, 2, 3], rotate_cell=True)
    np.testing.assert_allclose(soap.describe(turned, range(6)), whole, rtol=1e-5, atol=1e-5)
    monkeypatch.setattr(soap_module, "ATOMS_A_CHUNK", 4)
    places, parts = zip(*soap.chunks(atoms, np.arange(6)), strict=True)
    assert [len(each) for each in places] == [4, 2]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-9)


def test_frames_like_those_of_the_training_set_are_mostly_not_flagged(
    liquids: list[Atoms], fitted: Extrapolation
) -> None:
    result = checked(liquids[-4:], fitted)
    assert result.share_expected < 0.07
    assert result.share_flagged.mean() < 0.15
    assert result.atoms_per_second > 10


def test_a_compressed_liquid_is_flagged(liquids: list[Atoms], fitted: Extrapolation) -> None:
    squeezed = liquids[-1].copy()
    squeezed.set_cell(0.85 * squeezed.cell, scale_atoms=True)
    result = checked([liquids[-1], squeezed], fitted)
    assert result.share_flagged[1] > 0.9 > result.share_flagged[0]


def test_a_broken_bond_is_flagged_where_it_is(liquids: list[Atoms], fitted: Extrapolation) -> None:
    from lamplighter.analysis.stability import bonds_by_distance

    atoms = liquids[-1].copy()
    pairs, _ = bonds_by_distance(atoms.positions, atoms.numbers.astype(np.int64), atoms.cell.array, atoms.pbc)
    hydrogen = next(i for i in range(len(atoms)) if atoms.numbers[i] == 1)
    carbon = int(pairs[(pairs == hydrogen).any(axis=1)][0].sum()) - hydrogen
    before = checked([atoms], fitted)
    vector = atoms.get_distance(carbon, hydrogen, mic=True, vector=True)
    atoms.positions[hydrogen] += 1.5 * vector / np.linalg.norm(vector)
    after = checked([atoms], fitted)
    assert not before.flagged[0][hydrogen]
    assert after.flagged[0][hydrogen]
    assert after.q[0][hydrogen] > 3 * before.q[0][hydrogen]
    assert after.q[0][hydrogen] == max(after.q[0][after.symbols[0] == "H"])
    assert after.of_element("H")["largest"][0] == after.q[0][hydrogen]


def test_what_is_stored_says_the_same(liquids: list[Atoms], fitted: Extrapolation, tmp_path: Path) -> None:
    save_extrapolation(tmp_path / "fit.npz", fitted)
    again = load_extrapolation(tmp_path / "fit.npz")
    assert again.source == fitted.source
    assert len(again.source["sha256"]) == 64
    assert again.thresholds == fitted.thresholds
    np.testing.assert_array_equal(checked(liquids[:1], again).q[0], checked(liquids[:1], fitted).q[0])
    (tmp_path / "other.npz").write_bytes(b"nothing of the kind")
    with pytest.raises(LamplighterError, match=r"other.npz is no file of `lamplighter extrapolation fit`"):
        load_extrapolation(tmp_path / "other.npz")
    np.savez(tmp_path / "pickle.npz", about=np.array([{"a": 1}], dtype=object))
    with pytest.raises(LamplighterError, match="allow_pickle"):
        load_extrapolation(tmp_path / "pickle.npz")


@pytest.mark.thorough
def test_a_sample_gives_nearly_the_thresholds_of_all(liquids: list[Atoms], fitted: Extrapolation) -> None:
    sampled = fit_training_set(TRAINING, liquids[:-4], most=150)
    for symbol, limit in fitted.thresholds.items():
        assert sampled.elements[symbol].n_fitted == 150
        assert sampled.thresholds[symbol].n == limit.n  # Q is of all atoms all the same
        assert sampled.thresholds[symbol].value == pytest.approx(limit.value, rel=0.15)


def test_elements_that_were_never_seen_are_refused(liquids: list[Atoms], fitted: Extrapolation) -> None:
    salt = liquids[0].copy()
    salt.symbols[0] = "Li"
    with pytest.raises(
        TrajectoryError, match=r"frame 1 of frames.xyz: the structure holds Li, and the training set H C O"
    ):
        checked([liquids[0], salt], fitted)


def test_isolated_atoms_are_no_training_set() -> None:
    with pytest.raises(TrajectoryError, match="no frame of two atoms or more"):
        fit_training_set(TRAINING, [Atoms("H"), Atoms("C")])
    with pytest.raises(TrajectoryError, match=r"O in .*needs at least 2 environments, got 1"):
        fit_training_set(TRAINING, [Atoms("H2O", [[0, 0, 0], [1, 0, 0], [0, 1, 0]])])
    with pytest.raises(TrajectoryError, match="holds no frames"):
        check_frames(Path("empty.xyz"), [], Extrapolation(SoapParameters(("H",)), {}, {}, {}, {}))
