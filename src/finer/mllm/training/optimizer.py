"""Muon for weight matrices, AdamW for the rest, and the learning-rate schedule of a stage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import nn

ADAM_BETAS = (0.9, 0.98)
WEIGHT_DECAY = 0.01
MOMENTUM = 0.95
NEWTON_SCHULZ_STEPS = 4
CLIP = 1.0


class Optimizers:
    """Two optimisers that step as one."""

    def __init__(
        self, named: Iterable[tuple[str, nn.Parameter]], matrix_scopes: Sequence[str], rate: float, matrix_rate: float,
        query_key_share: float = 1.0,
    ) -> None:  # fmt: skip
        """Give matrices whose name contains one of ``matrix_scopes`` to Muon, everything else to AdamW.

        ``query_key_share``: of ``matrix_rate``, for query and key projections. Muon lets a matrix grow by as much a
        step whatever its gradient; where nothing normalises queries and keys, attention then hardens too early.
        """
        unique = {id(weight): (name, weight) for name, weight in named if weight.requires_grad}
        matrices: list[nn.Parameter] = []
        pointing: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for name, weight in unique.values():
            hidden = weight.ndim == 2 and any(scope in name for scope in matrix_scopes) and "embed" not in name
            slow = query_key_share != 1.0 and ("q_proj" in name or "k_proj" in name)
            (others if not hidden else pointing if slow else matrices).append(weight)
        self.weights = [*matrices, *pointing, *others]
        groups = [{"params": part, "share": share} for part, share in ((matrices, 1.0), (pointing, query_key_share))]
        self.parts: list[torch.optim.Optimizer] = [
            torch.optim.Muon(
                [group for group in groups if group["params"]],
                lr=matrix_rate,
                momentum=MOMENTUM,
                weight_decay=WEIGHT_DECAY,
                ns_steps=NEWTON_SCHULZ_STEPS,
            ),
            torch.optim.AdamW(others, lr=rate, betas=ADAM_BETAS, weight_decay=WEIGHT_DECAY),
        ]
        self._rates = [matrix_rate, rate]

    def step(self, loss: torch.Tensor, factor: float) -> None:
        """Take one step on ``loss`` with the rates scaled by ``factor``."""
        for part, rate in zip(self.parts, self._rates, strict=True):
            part.zero_grad(set_to_none=True)
            for group in part.param_groups:
                group["lr"] = rate * factor * group.get("share", 1.0)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.weights, CLIP)
        for part in self.parts:
            part.step()

    def state_dict(self) -> list[dict[str, object]]:
        """Return the state of both."""
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states: Sequence[dict[str, object]]) -> None:
        """Take up the state of both."""
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict(state)


def rate_factor(step: int, steps: int, warmup: int, decay: float, floor: float = 0.01) -> float:
    """Return the factor of a step: linear warm-up, level, linear fall over the last ``decay`` of the steps."""
    up = min(1.0, (step + 1) / max(1, warmup))
    down = min(1.0, (steps - step) / max(1.0, steps * decay))
    return up * max(floor, down)
