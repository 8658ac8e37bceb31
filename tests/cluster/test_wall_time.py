"""Wall times are read as they are meant, or refused with what to write."""

from __future__ import annotations

import pytest

from lamplighter.cluster.time_left import lsf_left, pbs_left, slurm_left, time_left
from lamplighter.cluster.wall_time import seconds_of, slurm_words
from lamplighter.errors import QueueProblem

HOUR = 3600.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("23h30m", 23.5 * HOUR),
        ("23h 30min", 23.5 * HOUR),
        ("90min", 1.5 * HOUR),
        ("1d12h", 36 * HOUR),
        ("1.5h", 1.5 * HOUR),
        ("45s", 45.0),
        ("24:00:00", 24 * HOUR),
        ("100:00:00", 100 * HOUR),
        ("30:15", 1815.0),
        ("1-12:00:00", 36 * HOUR),
        ("1-12:30", 36.5 * HOUR),
        ("2-0", 48 * HOUR),
    ],
)
def test_a_wall_time_is_read_as_slurm_and_people_write_it(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "text", ["90", "1.5", "soon", "30m23h", "1h1h", "1:70:00", "1-30:00:00", "-1h", "", "1::2", "0h"]
)
def test_what_is_no_wall_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(QueueProblem, match=r"--walltime: .*(write|or e.g.).* 23h30m"):
        seconds_of(text, "--walltime")


def test_a_wall_time_is_written_as_slurm_reads_it() -> None:
    assert slurm_words(36 * HOUR) == "1-12:00:00"
    assert slurm_words(89.2) == "00:01:30"
    assert seconds_of(slurm_words(100_001)) == 100_001


def test_what_queues_say_is_understood() -> None:
    """The formats of squeue(1), qstat(1B) and bjobs(1)."""
    assert slurm_left("1-02:03:04") == 26 * HOUR + 184
    assert slurm_left("9:59") == 599
    assert slurm_left("0:00") == 0
    assert slurm_left("UNLIMITED") is None
    said = "Job Id: 7\n    resources_used.walltime = 00:30:00\n    Resource_List.walltime = 02:00:00\n"
    assert pbs_left(said) == 1.5 * HOUR
    assert pbs_left("qstat: Unknown Job Id") is None
    assert lsf_left("2:15 L") == 2.25 * HOUR
    assert lsf_left("-") is None
    assert time_left({}) is None
