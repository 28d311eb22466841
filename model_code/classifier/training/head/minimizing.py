"""Minimize a smooth function by L-BFGS: SciPy's or, where SciPy is not installed, torch's."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Final

from classifier.training.head.probabilities import DoubleArray

Function = Callable[[DoubleArray], tuple[float, DoubleArray]]

_MAX_ITERATIONS: Final = 200
# The search ends when an iteration lowers the value by less than this share of it, or of 1.
_VALUE_TOLERANCE: Final = 1e-5
# Or when no partial derivative is larger.
_GRADIENT_TOLERANCE: Final = 1e-5
_STEPS_KEPT: Final = 10  # to estimate the curvature with


def minimize(function: Function, start: DoubleArray) -> DoubleArray:
    """Return about the place where a function has its lowest value.

    Args:
        function: returns value and gradient (as `start`) at a place.
        start: one number for each dimension.
    """
    if importlib.util.find_spec("scipy") is None:
        return _minimize_by_torch(function, start)
    # Imported here, because it need not be installed.
    import scipy.optimize  # type: ignore[import-untyped]  # it ships no types

    found: DoubleArray = scipy.optimize.minimize(
        function,
        start,
        jac=True,
        method="L-BFGS-B",
        options={
            "maxiter": _MAX_ITERATIONS,
            "ftol": _VALUE_TOLERANCE,
            "gtol": _GRADIENT_TOLERANCE,
            "maxcor": _STEPS_KEPT,
        },
    ).x
    return found


def _minimize_by_torch(function: Function, start: DoubleArray) -> DoubleArray:
    # Imported here: it takes seconds, and is not needed where SciPy is installed.
    import torch

    place = torch.tensor(start, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [place],
        # One iteration a step, so that the rule above ends the search, not torch's own.
        max_iter=1,
        # Enough for a line search.
        max_eval=20,
        history_size=_STEPS_KEPT,
        tolerance_grad=_GRADIENT_TOLERANCE,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )

    def value_here() -> torch.Tensor:
        value, gradient = function(place.detach().numpy())
        place.grad = torch.from_numpy(gradient)
        return torch.tensor(value, dtype=torch.float64)

    before = float(value_here())
    for _ in range(_MAX_ITERATIONS):
        optimizer.step(value_here)  # type: ignore[no-untyped-call]  # torch declares no types
        value = float(value_here())
        if before - value <= _VALUE_TOLERANCE * max(abs(before), abs(value), 1.0):
            break
        before = value
    return place.detach().numpy()
