"""Dumps and XYZ files as they come: columns in any order, repeated steps, no line end at the end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lamplighter.errors import TrajectoryError
from lamplighter.structures.lammps_dump import LammpsDump
from lamplighter.structures.trajectory import open_trajectory

HEAD = "ITEM: NUMBER OF ATOMS\n2\nITEM: BOX BOUNDS pp pp pp\n0 10\n0 10\n0 10\n"


def frame_text(step: int, x: float = 1.0, columns: str = "id type x y z") -> str:
    return f"ITEM: TIMESTEP\n{step}\n{HEAD}ITEM: ATOMS {columns}\n1 1 {x} 2.0 3.0\n2 1 4.0 5.0 6.25\n"


@pytest.mark.parametrize(
    "columns",
    [
        "id type x y z xu yu zu",
        "xu yu zu id x y z type",
        "zu z id yu y xu x type",
        "id x xu y yu z zu type ix iy iz",
        "id xs ys zs type xsu ysu zsu",
        "xsu ysu zsu id xs ys zs type",
    ],
)
def test_unwrapped_positions_count_in_any_order_of_columns(tmp_path: Path, columns: str) -> None:
    values = {"id": 1, "type": 1, "x": 1.0, "y": 2.0, "z": 3.0, "xu": 21.0, "yu": 2.0, "zu": -7.0, "ix": 9, "iy": 9,
              "iz": 9, "xs": 0.1, "ys": 0.2, "zs": 0.3, "xsu": 2.1, "ysu": 0.2, "zsu": -0.7}  # fmt: skip
    row = " ".join(str(values[name]) for name in columns.split())
    head = HEAD.replace("ATOMS\n2", "ATOMS\n1")
    (tmp_path / "a.dump").write_text(f"ITEM: TIMESTEP\n0\n{head}ITEM: ATOMS {columns}\n{row}\n")
    (frame,) = LammpsDump(tmp_path / "a.dump")
    np.testing.assert_allclose(frame.positions, [[21.0, 2.0, -7.0]])
    assert frame.unwrapped
    assert frame.images is None


def test_identical_steps_after_a_restart_are_skipped_and_said(tmp_path: Path) -> None:
    texts = [frame_text(step, 1.0 + step) for step in (0, 10, 20, 10, 20, 30)]
    (tmp_path / "a.dump").write_text("".join(texts))
    trajectory = open_trajectory(tmp_path / "a.dump")
    frames = list(trajectory)
    assert [frame.step for frame in frames] == [0, 10, 20, 30]
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert trajectory.dropped == "frames that repeat an earlier one and were skipped: 2 (step 10, 20)"


def test_a_step_with_other_content_is_refused_with_the_step(tmp_path: Path) -> None:
    (tmp_path / "a.dump").write_text(frame_text(0) + frame_text(10, 2.0) + frame_text(10, 2.5))
    with pytest.raises(TrajectoryError, match="has step 10 a second time, with other atoms or positions"):
        list(open_trajectory(tmp_path / "a.dump"))
    (tmp_path / "a.dump").write_text(frame_text(0) + frame_text(10, 2.0) + frame_text(5, 2.0))
    with pytest.raises(TrajectoryError, match="has step 5 out of order, after step 10"):
        list(open_trajectory(tmp_path / "a.dump"))


def xyz_text(step: int, x: float = 1.0) -> str:
    return f"2\nProperties=species:S:1:pos:R:3 step={step}\nAr {x:.4f} 2.0000 3.0000\nAr 4.0000 5.0000 6.2500\n"


def test_the_same_of_xyz_files(tmp_path: Path) -> None:
    path = tmp_path / "a.xyz"
    path.write_text("".join(xyz_text(step, step) for step in (0, 10, 10, 20)))
    trajectory = open_trajectory(path)
    assert [frame.step for frame in trajectory] == [0, 10, 20]
    assert "skipped: 1 (step 10)" in trajectory.dropped
    path.write_text(xyz_text(0) + xyz_text(0, 7.0))
    with pytest.raises(TrajectoryError, match="has step 0 a second time"):
        list(open_trajectory(path))


@pytest.mark.parametrize("name", ["a.dump", "a.xyz"])
def test_a_last_line_without_its_end_is_a_whole_frame_and_a_cut_one_is_not(tmp_path: Path, name: str) -> None:
    text = frame_text if name == "a.dump" else xyz_text
    path = tmp_path / name
    path.write_text((text(0) + text(10)).rstrip("\n"))
    trajectory = open_trajectory(path)
    frames = list(trajectory)
    assert [frame.step for frame in frames] == [0, 10]
    assert frames[1].positions[1].tolist() == [4.0, 5.0, 6.25]
    assert trajectory.dropped == "its last line has no line end and was taken as whole"
    for missing in ("6.25\n", ".25\n", "25\n", "00\n") if name == "a.dump" else ("6.2500\n", "2500\n", "0\n"):
        whole = text(0) + text(10)
        if not whole.endswith(missing):
            continue
        path.write_text(whole[: -len(missing)])
        trajectory = open_trajectory(path)
        assert len(list(trajectory)) == 1
        assert trajectory.dropped == ("frame 1 (step 10), " if name == "a.dump" else "frame 1, ") + (
            "which is cut off, was left out"
        )
