"""What GPUs ask of a model, with the CPU in their place: rounding of products, memory, which rank has which GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lammps_evaluation import evaluate

import structures
from lamplighter.config.potential import PotentialSection
from lamplighter.errors import EnvironmentProblem, ModelError
from lamplighter.potentials import device, tf32
from lamplighter.potentials.bridge import callbacks as bridge
from lamplighter.potentials.mace import Mace
from lamplighter.potentials.out_of_memory import OutOfMemory, is_out_of_memory, out_of_memory

ELEMENTS = " ".join(structures.ELEMENTS)
GPU, CPU = torch.device("cuda", 1), torch.device("cpu")


def test_products_are_not_rounded_whatever_others_have_set(
    lammps_instance, small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    """A setting of the process, which another package may change between two steps, too."""
    seen = []
    compute = Mace.compute

    def watched(self, data):  # type: ignore[no-untyped-def]
        seen.append(torch.get_float32_matmul_precision())
        compute(self, data)
        torch.set_float32_matmul_precision("high")
        if len(seen) % 2:  # the other interface, after which the former cannot be asked
            torch.backends.cuda.matmul.fp32_precision = "ieee"

    monkeypatch.setattr(Mace, "compute", watched)
    evaluate(
        lammps_instance, structures.dimer_and_lone_atom(), "lamplighter engine bridge", f"{small_model} {ELEMENTS}"
    )
    lammps_instance.command("run 1 post no")
    tf32.put(wanted=True)
    assert torch.get_float32_matmul_precision() == "high"
    tf32.put(wanted=False)
    assert len(seen) >= 3
    assert set(seen[1:]) == {"highest"}  # the first is asked when the model is opened


def test_tf32_is_refused_where_there_is_none(lammps_instance, small_model: Path) -> None:  # type: ignore[no-untyped-def]
    for engine, message in (("bridge", "tf32 is of GPUs"), ("auto", "'tf32 yes' is of models that a GPU evaluates")):
        with pytest.raises(Exception, match=message):
            evaluate(
                lammps_instance,
                structures.lone_atom(),
                f"lamplighter engine {engine} tf32 yes",
                f"{small_model} {ELEMENTS}",
            )
    bridge.pending_error()
    with pytest.raises(ModelError, match="runs in float64: ask for `dtype: float32`"):
        tf32.require_possible(True, GPU, torch.float64)
    tf32.require_possible(True, GPU, torch.float32)
    for key, value in (("device", "cpu"), ("dtype", "float64"), ("engine", "native")):
        with pytest.raises(ValueError, match=f"`potential.{key}` is {value}"):
            PotentialSection(models=["a.model"], tf32=True, **{key: value})


def test_what_products_come_to_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    tf32.require_exact_products(CPU)
    exact = torch.Tensor.__matmul__

    def rounded(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """To the ten bits of TF32, as GPUs do it in spite of torch where a variable of NVIDIA's says so."""
        if a.dtype != torch.float32:
            return exact(a, b)
        return exact(*((each.view(torch.int32) & ~0x1FFF).view(torch.float32) for each in (a, b)))

    monkeypatch.setattr(torch.Tensor, "__matmul__", rounded)
    with pytest.raises(EnvironmentProblem, match=r"wrong by \d.*e-04 .*unset NVIDIA_TF32_OVERRIDE"):
        tf32.require_exact_products(CPU)


def test_errors_of_memory_are_told_from_others() -> None:
    with pytest.raises(RuntimeError) as real:
        torch.empty(2**46, dtype=torch.float64)
    for problem in (
        real.value,
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.20 GiB."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
        MemoryError(),
    ):
        assert is_out_of_memory(problem)
    assert not is_out_of_memory(RuntimeError("The size of tensor a (3) must match"))
    assert not is_out_of_memory(ValueError("out of memory"))
    said = str(out_of_memory(torch.OutOfMemoryError("CUDA out of memory."), GPU, torch.float32, 4320, 250000))
    assert said.startswith(
        "the GPU cuda:1 has not enough memory for 4320 atoms and 250000 pairs of one rank in float32"
    )
    assert "more GPUs" in said
    assert "dtype" not in said  # it is float32 already


def test_a_run_without_memory_ends_and_says_what_to_do(
    lammps_instance, small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    style, coeff = "lamplighter engine bridge", f"{small_model} {ELEMENTS}"
    evaluate(lammps_instance, structures.lone_atom(), style, coeff)
    monkeypatch.setattr(Mace, "compute", lambda *_: torch.empty(2**46, dtype=torch.float64))
    with pytest.raises(Exception, match="not enough memory for 1 atoms and 0 pairs of one rank in float64"):
        lammps_instance.command("run 1 post no")
    assert isinstance(bridge.pending_error(), OutOfMemory)
    with pytest.raises(Exception, match="not enough memory for opening the model"):
        evaluate(lammps_instance, structures.lone_atom(), style, coeff)
    assert isinstance(bridge.pending_error(), OutOfMemory)


def test_ranks_that_share_a_gpu_are_told_so() -> None:
    assert device.sharing(["a", "b"], 1) == ""
    assert device.sharing(["", ""], 1) == ""
    assert device.sharing([], 0) == ""
    assert device.sharing(["a", "b", "a"], 0).startswith("2 ranks share a GPU")
    assert device.identity("cpu", 0) == ""
    assert device.identity("cuda:97", 0) == ""
