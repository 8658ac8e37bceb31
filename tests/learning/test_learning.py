"""What is kept of generations, and read again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from lamplighter.learning.learning import GenerationResult, MeanErrors, OverModels, record_of, result_of_record


def test_a_generation_is_read_again_and_that_of_an_earlier_version_has_no_shift_of_energies(tmp_path: Path) -> None:
    errors = MeanErrors(8, OverModels(5.2, 0.1), OverModels(0.1, 0.01), [], None, OverModels(4.9, 0.2))
    given = GenerationResult(1, tmp_path, [tmp_path / "a.model"], {"liquid": 20}, {"along": errors}, False)
    record = json.loads(json.dumps(record_of(given)))
    assert result_of_record(record, tmp_path).errors["along"] == errors
    del record["errors"]["along"]["energy_shift"]
    assert result_of_record(record, tmp_path).errors["along"] == replace(errors, energy_shift=None)
