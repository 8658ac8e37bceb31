"""The lines that `potential:` becomes: DeePMD models, committees of pair styles, dispersion and repulsion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lamplighter import script_of
from lamplighter.config.loading import parse_run_file
from lamplighter.errors import ConfigError, ModelError
from lamplighter.model_files.deepmd_graph import read_graph

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
MACE = str(EXAMPLE / "models" / "ec_emc_0.model")
DEEPMD = [str(EXAMPLE / "deepmd" / "models" / f"ec_emc_dp_{k}.pb") for k in range(3)]
LJ = ["pair_style lj/cut 6.0", "pair_coeff * * 0.4 2.3"]
MORSE = "# another\npair_style morse 5.5   # cutoff\n\npair_coeff 1 * 0.34 1.36 2.87\npair_coeff 2*3 2*3 0.3 1.3 2.8"


def run_file(potential: dict[str, Any], **sections: Any) -> dict[str, Any]:
    return {
        "structure": str(EXAMPLE / "structures" / "ec_emc_160.xyz"),
        "potential": potential,
        "stages": [{"type": "nvt", "temperature": "500 K", "length": "3 fs"}],
        **sections,
    }


def lines(potential: dict[str, Any], **sections: Any) -> list[str]:
    script = script_of(run_file(potential, **sections)).splitlines()
    return [line for line in script if line.startswith(("pair_", "neigh_modify one", "compute committee"))]


def test_the_first_deepmd_model_drives() -> None:
    assert lines({"kind": "deepmd", "models": DEEPMD}) == [f"pair_style deepmd {DEEPMD[0]}", "pair_coeff * * H C O"]


def test_a_committee_of_deepmd_models() -> None:
    assert lines({"kind": "deepmd", "models": DEEPMD[:2]}, committee={"every": 5, "drive": 2}) == [
        f"pair_style lamplighter/committee committee every 5 drive 2 divisor K deepmd {DEEPMD[0]} deepmd {DEEPMD[1]}",
        "pair_coeff * * 1 H C O",
        "pair_coeff * * 2 H C O",
        "compute committee all pair lamplighter/committee",
    ]


def test_the_type_map_of_a_frozen_model() -> None:
    assert read_graph(Path(DEEPMD[0])).elements == ["H", "C", "O"]


def test_an_element_beyond_the_type_map_is_named(tmp_path: Path) -> None:
    (tmp_path / "salt.xyz").write_text("3\n\nO 0 0 0\nNa 0 0 3\nCl 0 3 0\n")
    with pytest.raises(ModelError, match=r"potential.models\[0\]: .*_0.pb knows the elements H C O .* has Na Cl"):
        lines({"kind": "deepmd", "models": DEEPMD[:1]}, structure=str(tmp_path / "salt.xyz"))


@pytest.mark.parametrize("content", [b"", b"\x00" * 50, b"\x80" * 50, b"PK\x03\x04 a zip of torch", b"\x0a\xff\xff"])
def test_what_is_no_frozen_model_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pb").write_bytes(content)
    with pytest.raises(ModelError, match=r"potential.models\[0\]: .*a.pb (is no frozen model|holds no type map)"):
        lines({"kind": "deepmd", "models": str(tmp_path / "a.pb")})


def test_a_truncated_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pb").write_bytes(Path(DEEPMD[0]).read_bytes()[:20_000])
    with pytest.raises(ModelError, match=r"a.pb (is no frozen model|holds no type map)"):
        lines({"kind": "deepmd", "models": str(tmp_path / "a.pb")})


def test_a_missing_deepmd_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"potential.models\[1\]: .*none.pb does not exist"):
        lines({"kind": "deepmd", "models": [DEEPMD[0], str(tmp_path / "none.pb")]})


def test_members_are_numbered_and_their_files_found(tmp_path: Path) -> None:
    (tmp_path / "my.eam.alloy").write_text("")
    (tmp_path / "run.yaml").write_text(
        f"structure: {EXAMPLE / 'structures' / 'ec_emc_160.xyz'}\n"
        "potential:\n"
        "  members:\n"
        "    - |\n"
        "      pair_style eam/alloy\n"
        "      pair_coeff * * my.eam.alloy H C O\n"
        "    - [pair_style morse 5.5, pair_coeff 1 * 0.34 1.36 2.87]\n"
        "committee: 10\n"
        "stages: [{type: minimise}]\n"
    )
    script = script_of(tmp_path / "run.yaml").splitlines()
    assert [line for line in script if line.startswith("pair_")] == [
        "pair_style lamplighter/committee committee every 10 drive first divisor K eam/alloy morse 5.5",
        f"pair_coeff * * 1 {tmp_path / 'my.eam.alloy'} H C O",
        "pair_coeff 1 * 2 0.34 1.36 2.87",
    ]


def test_dispersion_and_repulsion_are_added() -> None:
    potential = {"models": MACE, "dispersion": "pbe", "zbl": {"inner": "0.6 A", "outer": "0.12 nm"}}
    assert lines(potential) == [
        "pair_style hybrid/overlay lamplighter dtype auto device auto kind auto engine auto "
        "dispersion/d3 bj pbe 20 12 zbl 0.6 1.2",
        f"pair_coeff * * lamplighter {MACE} H C O",
        "pair_coeff * * dispersion/d3 H C O",
        "pair_coeff 1 1 zbl 1 1",
        "pair_coeff 1 2 zbl 1 6",
        "pair_coeff 1 3 zbl 1 8",
        "pair_coeff 2 2 zbl 6 6",
        "pair_coeff 2 3 zbl 6 8",
        "pair_coeff 3 3 zbl 8 8",
        "neigh_modify one 11151 page 111510",
    ]


def test_members_within_a_sum_are_marked() -> None:
    dispersion = {"functional": "b-lyp", "damping": "zero", "cutoff": "15 A", "coordination_cutoff": "10 A"}
    found = lines({"members": [LJ, MORSE], "dispersion": dispersion}, committee=5)
    assert found == [
        "pair_style hybrid/overlay lamplighter/committee committee every 5 drive first divisor K =lj/cut 6.0 "
        "=morse 5.5 dispersion/d3 original b-lyp 15 10",
        "pair_coeff * * lamplighter/committee 1 0.4 2.3",
        "pair_coeff 1 * lamplighter/committee 2 0.34 1.36 2.87",
        "pair_coeff 2*3 2*3 lamplighter/committee 2 0.3 1.3 2.8",
        "pair_coeff * * dispersion/d3 H C O",
        "neigh_modify one 5145 page 51450",
        "compute committee all pair lamplighter/committee",
    ]


def test_d3_ends_at_plutonium(tmp_path: Path) -> None:
    (tmp_path / "am.xyz").write_text("2\n\nAm 0 0 0\nO 0 0 3\n")
    with pytest.raises(ConfigError, match=r"potential\.dispersion: D3 has no coefficients of Am"):
        lines({"models": MACE, "dispersion": "pbe"}, structure=str(tmp_path / "am.xyz"))


@pytest.mark.parametrize(
    ("potential", "sections", "message"),
    [
        ({"kind": "deepmd", "models": DEEPMD, "dtype": "float32"}, {}, r"potential\.dtype: is not of kind deepmd"),
        ({"kind": "deepmd", "models": DEEPMD, "engine": "bridge"}, {}, r"potential\.engine: is not of kind deepmd"),
        (
            {"kind": "nequip", "models": DEEPMD, "engine": "symmetrix"},
            {},
            r"engine: symmetrix evaluates models of MACE",
        ),
        ({"kind": "gap", "models": DEEPMD, "engine": "torch-fast"}, {}, r"engine: torch-fast evaluates models of MACE"),
        ({"models": DEEPMD, "engine": "symmetrix", "tf32": True}, {}, r"tf32: .* `potential\.engine` is symmetrix"),
        ({"kind": "deepmd", "models": DEEPMD[:1]}, {"committee": 5}, r"committee: needs several files"),
        ({"kind": "deepmd", "models": DEEPMD}, {"committee": {"drive": 4}}, r"committee\.drive: asks for model 4 of 3"),
        ({"members": [LJ, MORSE]}, {}, r"committee: is needed with `potential.members`"),
        ({"members": [LJ]}, {"committee": 5}, r"potential\.members: needs two members or more"),
        ({"members": [LJ, LJ], "models": MACE}, {"committee": 5}, r"potential: .*models and members are given"),
        ({"members": [LJ, LJ[:1]]}, {"committee": 5}, r"potential\.members\[1\]: needs lines `pair_coeff"),
        ({"members": [LJ, LJ[1:]]}, {"committee": 5}, r"potential\.members\[1\]: needs one line `pair_style"),
        ({"members": [LJ, [*LJ, "mass 1 2"]]}, {"committee": 5}, r"members\[1\]: has a line .*'mass 1 2'"),
        ({"members": [LJ, ["pair_style hybrid a b", LJ[1]]]}, {"committee": 5}, r"hybrid cannot be a member"),
        ({"members": LJ}, {"committee": 5}, r"members\[0\]: needs lines `pair_coeff"),
        ({"members": 3}, {"committee": 5}, r"potential\.members"),
        ({"lammps": LJ, "dispersion": "pbe"}, {}, r"potential\.dispersion: .*write it into these lines"),
        ({"models": MACE, "dispersion": {"damping": "bj"}}, {}, r"dispersion\.functional: is required"),
        ({"models": MACE, "dispersion": {"functional": "pbe", "damping": "none"}}, {}, r"dispersion\.damping"),
        ({"models": MACE, "dispersion": "p b e"}, {}, r"potential\.dispersion\.functional"),
        ({"models": MACE, "zbl": {"inner": "1.2 A", "outer": "0.6 A"}}, {}, r"zbl\.inner: must be less than zbl.outer"),
        ({"models": MACE, "zbl": {"inner": 0.6, "outer": "1.2 A"}}, {}, r"zbl\.inner: .*has no unit"),
    ],
)
def test_wrong_potentials_are_refused(potential: dict[str, Any], sections: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_run_file(run_file(potential, **sections))
