"""TF32: whether a GPU may round the factors of float32 products to 10 bits. It may not, unless the user asks for it.

torch keeps this as settings of the process, which other packages change, and an environment variable of NVIDIA's
overrules them. So they are put as the model wants them before each evaluation, and what products come to is measured
when a model is opened.
"""

from __future__ import annotations

import torch

from lamplighter.errors import EnvironmentProblem, ModelError

_SIZE = 256
_ROUNDING = 1e-5
"""Of a product of matrices, relative to its largest number: float32 has 3×10⁻⁷, TF32 4×10⁻⁴."""


def put(wanted: bool) -> None:
    """Let products in float32 be rounded to TF32, or not, from now on in this process."""
    if not _precisions() <= ({"tf32", "high"} if wanted else {"ieee", "highest"}):
        torch.set_float32_matmul_precision("high" if wanted else "highest")


def _precisions() -> set[str]:
    """What torch has been told of products of matrices.

    Since torch 2.9 there are two interfaces. The former one cannot be asked once somebody has used the other, but sets
    what both say.
    """
    try:
        return {torch.backends.cuda.matmul.fp32_precision, torch.backends.mkldnn.matmul.fp32_precision}  # type: ignore[attr-defined,unused-ignore]
    except AttributeError:
        return {torch.get_float32_matmul_precision()}


def require_possible(wanted: bool, device: torch.device, dtype: torch.dtype) -> None:
    """Refuse TF32 where there is none.

    Raises:
        ModelError: the device is a CPU, or the model does not run in float32.
    """
    if not wanted:
        return
    if device.type == "cpu":
        raise ModelError("tf32 is of GPUs, and this model runs on the CPU: leave it out, or ask for `device: cuda`")
    if dtype != torch.float32:
        name = str(dtype).removeprefix("torch.")
        raise ModelError(f"tf32 rounds products in float32, and this model runs in {name}: ask for `dtype: float32`")


def require_exact_products(device: torch.device) -> None:
    """Measure that products in float32 have its precision, after `put(False)`.

    Raises:
        EnvironmentProblem: they are rounded to less.
    """
    rounding = rounding_of_products(device)
    if not rounding <= _ROUNDING:
        raise EnvironmentProblem(
            f"products of float32 matrices on {device} are wrong by {rounding:.1e} of their largest number, as of TF32 "
            "(float32 has 3e-07), though torch was told not to round: unset NVIDIA_TF32_OVERRIDE and "
            "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE, or accept it by `potential.tf32: true`"
        )


def rounding_of_products(device: torch.device) -> float:
    """The largest error of a product of random matrices in float32, over the largest number of it."""
    generator = torch.Generator().manual_seed(1)
    a, b = torch.randn(2, _SIZE, _SIZE, generator=generator)
    exact = a.double() @ b.double()
    found = (a.to(device) @ b.to(device)).cpu().double()
    return float((found - exact).abs().max() / exact.abs().max())
