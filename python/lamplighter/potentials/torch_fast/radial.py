"""Radial functions of a MACE model from its compiled arrays, and their tables: splines times a constant matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import factorial

import numpy as np
import torch
from scipy.interpolate import make_interp_spline

Arrays = dict[str, np.ndarray]
Functions = Callable[[torch.Tensor], torch.Tensor]

_DEGREE = 5
_SHORTEST = 0.1  # Å; atoms closer than that end the run before a model is asked
_CHECKED_FROM = 0.6  # Å, from where on tables keep their tolerance
_TOLERANCE = 1e-10  # of the largest value and of the largest slope
_SINGULAR_VALUE_TOLERANCE = 1e-13  # of the largest
_FEWEST, _MOST = 256, 4096  # intervals
_BESSEL, _AGNESI, _SOFT = 0, 1, 2


class RadialTables(torch.nn.Module):
    """w(r) = u(r) V: quintic splines u of the distance, for each table, and a matrix V that all tables share.

    The functions are p(r) M with few functions p, the last hidden layer of a perceptron, and a wide matrix M. What p M
    spans is found by a singular value decomposition, so that u has no more columns than are needed.
    Nodes are evenly spaced in r / (1 + r / cutoff): they are densest where radial functions are steepest.

    Args:
        functions: p of each table, (n,) Å → (n, hidden), float64.
        matrix: M, (hidden, outputs).
        cutoff: Å, where the last node lies.
    """

    coefficients: torch.Tensor
    outputs: torch.Tensor

    def __init__(self, functions: Sequence[Functions], matrix: np.ndarray, cutoff: float) -> None:
        super().__init__()
        self.cutoff = cutoff
        orthogonal, triangle = np.linalg.qr(matrix.T)
        narrow = torch.from_numpy(np.ascontiguousarray(triangle.T))
        samples = torch.cat([p(self._distances(_FEWEST)) @ narrow for p in functions]).numpy()
        _, singular, rows = np.linalg.svd(samples, full_matrices=False)
        rank = max(1, int((singular > _SINGULAR_VALUE_TOLERANCE * singular[0]).sum()))
        turned = narrow @ torch.from_numpy(np.ascontiguousarray(rows[:rank].T))
        wanted = [_times(p, turned) for p in functions]
        self.first, self.intervals = self._place(_SHORTEST), _FEWEST
        while True:
            self.spacing = (self._place(cutoff) - self.first) / self.intervals
            splines = [self._spline(p) for p in wanted]
            self.error = max(self._error(p, s) for p, s in zip(wanted, splines, strict=True))
            if self.error <= _TOLERANCE or self.intervals >= _MOST:
                break
            self.intervals *= 2
        # (tables · intervals, powers, rank), highest power first
        self.register_buffer("coefficients", torch.from_numpy(np.concatenate(splines)))
        self.register_buffer("outputs", torch.from_numpy(np.ascontiguousarray(rows[:rank] @ orthogonal.T)))

    def rows(self, r: torch.Tensor, table: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Where distances (n,) Å lie: row of the coefficients, place in the interval, and its slope by r."""
        stretch = 1.0 + r / self.cutoff
        place = (r / stretch - self.first) / self.spacing
        interval = place.long().clamp_(0, self.intervals - 1)
        x = place - interval.to(r.dtype)
        row = interval if table is None else table * self.intervals + interval
        return row, x, 1.0 / (self.spacing * stretch * stretch)

    def values(self, row: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """u, (n, rank), at places in intervals."""
        c = self.coefficients.index_select(0, row)
        x = x.unsqueeze(1)
        u = torch.addcmul(c[:, 1], c[:, 0], x)
        for power in range(2, _DEGREE + 1):
            u = torch.addcmul(c[:, power], u, x)
        return u

    def values_and_slopes(self, row: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """u and its slope by the place, each (n, rank)."""
        c = self.coefficients.index_select(0, row)
        x = x.unsqueeze(1)
        u, slope = torch.addcmul(c[:, 1], c[:, 0], x), c[:, 0]
        for power in range(2, _DEGREE + 1):
            slope = torch.addcmul(u, slope, x)
            u = torch.addcmul(c[:, power], u, x)
        return u, slope

    def _place(self, r: float) -> float:
        return r / (1.0 + r / self.cutoff)

    def _distances(self, intervals: int, shift: float = 0.0) -> torch.Tensor:
        """The nodes, or what lies behind each but the last by a part of an interval."""
        first, last = self._place(_SHORTEST), self._place(self.cutoff)
        number = torch.arange(intervals + (shift == 0.0), dtype=torch.float64)
        place = first + (last - first) * (number + shift) / intervals
        return place / (1.0 - place / self.cutoff)

    def _spline(self, functions: Functions) -> np.ndarray:
        nodes = np.arange(self.intervals + 1.0)
        spline = make_interp_spline(nodes, functions(self._distances(self.intervals)).numpy(), k=_DEGREE)
        taylor = [spline(nodes[:-1], nu=power) / factorial(power) for power in range(_DEGREE, -1, -1)]
        return np.ascontiguousarray(np.stack(taylor, axis=1))

    def _error(self, functions: Functions, spline: np.ndarray) -> float:
        """The largest error halfway between nodes, of values and of slopes, each over the largest of them."""
        r = self._distances(self.intervals, 0.5)
        near = int((r < _CHECKED_FROM).sum())
        r, c = r[near:], spline[near:]
        value, slope = torch.func.jvp(functions, (r,), (torch.ones_like(r),))
        by_r = 1.0 / (self.spacing * (1.0 + r.numpy()[:, None] / self.cutoff) ** 2)
        found = sum(c[:, _DEGREE - power] * 0.5**power for power in range(_DEGREE + 1))
        tilt = sum(power * c[:, _DEGREE - power] * 0.5 ** (power - 1) for power in range(1, _DEGREE + 1)) * by_r
        pairs = ((found, value.numpy()), (tilt, slope.numpy()))
        return float(max(np.abs(a - b).max() / max(np.abs(b).max(), 1e-300) for a, b in pairs))


def _times(functions: Functions, matrix: torch.Tensor) -> Functions:
    return lambda r: functions(r) @ matrix


class _Sums(torch.autograd.Function):
    """w(r) of tables with one output, (n,), and its gradient."""

    @staticmethod
    def forward(ctx, r, row, x, by_r, tables):
        u, slope = tables.values_and_slopes(row, x)
        ctx.save_for_backward((slope @ tables.outputs).squeeze(1) * by_r)
        return (u @ tables.outputs).squeeze(1)

    @staticmethod
    def backward(ctx, *grads):
        (slope,) = ctx.saved_tensors
        return grads[0] * slope, None, None, None, None


def one_function(r: torch.Tensor, table: torch.Tensor | None, tables: RadialTables) -> torch.Tensor:
    """w(r), (n,), of tables with one output, differentiable by r (n,) Å."""
    row, x, by_r = tables.rows(r.detach(), table)
    found: torch.Tensor = _Sums.apply(r, row, x, by_r, tables)
    return found


def envelope(r: torch.Tensor, cutoff: float | torch.Tensor, power: int) -> torch.Tensor:
    """MACE's polynomial cutoff, one at 0 and zero from `cutoff` on."""
    x, p = r / cutoff, power
    value = 1.0 - (p + 1.0) * (p + 2.0) / 2.0 * x**p + p * (p + 2.0) * x ** (p + 1) - p * (p + 1.0) / 2.0 * x ** (p + 2)
    return torch.where(x < 1.0, value, torch.zeros_like(value))


class RadialBasis:
    """What the distance of a pair of elements becomes before any perceptron; `pair_styles/native/radial_table.cpp`.

    Args:
        arrays: Of the model and its shared parts, without prefix.
        radius_sum: Of the covalent radii of the pair, Å.
    """

    def __init__(self, arrays: Arrays, radius_sum: float) -> None:
        self._kind = int(arrays["basis.kind"][0])
        self._parameters = torch.from_numpy(arrays["basis.parameters"].copy())
        self._prefactor = float(arrays["basis.prefactor"][0])
        self._cutoff = float(arrays["r_max"][0])
        self._power = int(arrays["basis.cutoff_power"][0])
        self._outside = bool(arrays["basis.cutoff_after_perceptron"][0])
        self._transform = int(arrays["basis.transform"][0])
        self._of_transform = [float(value) for value in arrays.get("basis.transform_parameters", ())]
        self._radius_sum = radius_sum

    def inner(self, r: torch.Tensor) -> torch.Tensor:
        """The basis functions that a perceptron sees, (n, functions), of distances (n,) Å."""
        x = self._transformed(r).unsqueeze(1)
        if self._kind == _BESSEL:
            functions = self._prefactor * torch.sin(self._parameters * x) / x
        else:
            functions = torch.exp(self._prefactor * (x - self._parameters) ** 2)
        return functions if self._outside else functions * self._envelope(r)

    def outer(self, r: torch.Tensor) -> torch.Tensor:
        """The factor behind the perceptron, (n, 1)."""
        return self._envelope(r) if self._outside else torch.ones_like(r).unsqueeze(1)

    def _envelope(self, r: torch.Tensor) -> torch.Tensor:
        return envelope(r, self._cutoff, self._power).unsqueeze(1)

    def _transformed(self, r: torch.Tensor) -> torch.Tensor:
        if self._transform == _AGNESI:
            a, q, p = self._of_transform
            x = 2.0 * r / self._radius_sum
            return 1.0 / (1.0 + a * x**q / (1.0 + x ** (q - p)))
        if self._transform == _SOFT:
            p0, p1 = 0.75 * self._radius_sum, 4.0 / 3.0 * self._radius_sum
            middle = 0.5 * (p0 + p1)
            return p0 + (r - p0) * 0.5 * (1.0 + torch.tanh(self._of_transform[0] * (r - middle) / (p1 - p0)))
        return r


def perceptron_of(arrays: Arrays, name: str) -> list[torch.Tensor]:
    """Its matrices, with silu between them."""
    matrices: list[torch.Tensor] = []
    while f"{name}.{len(matrices)}" in arrays:
        matrices.append(torch.from_numpy(arrays[f"{name}.{len(matrices)}"].copy()))
    return matrices


def hidden(matrices: Sequence[torch.Tensor], basis: RadialBasis) -> Functions:
    """What the last matrix of a perceptron multiplies, times the factor behind the perceptron."""

    def of(r: torch.Tensor) -> torch.Tensor:
        x = basis.inner(r)
        for matrix in matrices[:-1]:
            x = torch.nn.functional.silu(x @ matrix)
        return x * basis.outer(r)

    return of


def density_of(weights: torch.Tensor, basis: RadialBasis) -> Functions:
    """The function whose sum over the neighbours an interaction is divided by, (n, 1)."""

    def of(r: torch.Tensor) -> torch.Tensor:
        return torch.tanh((basis.inner(r) @ weights) ** 2).unsqueeze(1) * basis.outer(r)

    return of
