"""What is read of a frozen DeePMD model without TensorFlow equals what TensorFlow and DeePMD-kit read."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import structures
from lamplighter.errors import ModelError
from lamplighter.model_files.deepmd_graph import looks_like_graph, read_graph
from lamplighter.model_files.loading import require_model_file

MODEL = structures.EXAMPLE / "deepmd" / "models" / "ec_emc_dp_1.pb"


def test_the_graph_is_what_tensorflow_reads() -> None:
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed in this environment")
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.python.framework.tensor_util import MakeNdarray

    graph = GraphDef()
    graph.ParseFromString(MODEL.read_bytes())
    constants = {node.name: node.attr["value"].tensor for node in graph.node if node.op == "Const"}
    found = read_graph(MODEL)
    assert found.elements == MakeNdarray(constants["model_attr/tmap"]).item().decode().split()
    assert found.cutoff == MakeNdarray(constants["descrpt_attr/rcut"]).item()
    energies = MakeNdarray(constants["fitting_attr/t_bias_atom_e"])
    np.testing.assert_array_equal(list(found.atomic_energies.values()), energies)
    layers = ("layer_", "final_layer_", "filter_type_all/")
    arrays = [MakeNdarray(constant) for name, constant in constants.items() if name.startswith(layers)]
    weights = [array for array in arrays if array.dtype.kind == "f" and array.ndim]  # single numbers are divisors
    assert found.parameters == sum(array.size for array in weights)
    assert {found.precision} == {str(array.dtype) for array in weights}


def test_only_graphs_look_like_graphs(tmp_path: Path) -> None:
    (tmp_path / "text.pb").write_text("\nmodel_attr/tmap\n" * 50)
    assert looks_like_graph(MODEL)
    assert not looks_like_graph(tmp_path / "text.pb")
    assert not looks_like_graph(structures.EXAMPLE / "models" / "ec_emc_0.model")
    assert not looks_like_graph(tmp_path)


def test_a_graph_where_a_torch_file_is_expected_is_named() -> None:
    with pytest.raises(ModelError, match="a frozen model of DeePMD-kit; write `kind: deepmd`"):
        require_model_file(MODEL)
