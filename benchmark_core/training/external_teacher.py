"""A fitted network that a plan names: it stands in a method's T-Net, and stands still."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from benchmark_core.errors import ElrError

HEAD = "head."  # of a recognizer: what may be fitted on top of a given network


@dataclass(frozen=True, kw_only=True)
class ExternalTeacher:
    """name: METHOD@DIGEST, as the plan has it. state: its recognizer's tensors by name."""

    name: str
    state: Mapping[str, Tensor]

    def into(self, module: nn.Module) -> bool:
        """Puts its tensors into `module` and lets them stand still; whether that is all of `module`.

        What `module` may have beyond them is a head with parameters of its own, which stays as it was and is still to
        be fitted. Raises ElrError naming the first tensor where they differ otherwise.
        """
        due = module.state_dict()
        lacks = [name for name in due if name not in self.state]
        strange = [name for name in self.state if name not in due]
        other = [name for name in due if name in self.state and due[name].shape != self.state[name].shape]
        wrong = [name for name in lacks if not name.startswith(HEAD)] + strange + other
        part_of_head = lacks and any(name.startswith(HEAD) for name in self.state)
        if wrong or part_of_head:
            name = (wrong or lacks)[0]
            raise ElrError(
                f"the teacher {self.name} is of another structure than this plan's ({name}: "
                f"{_shape(self.state, name)} where {_shape(due, name)} is due); --teacher takes a run of the same "
                "backbone, whose head is the plan's own or has no parameters"
            )
        module.load_state_dict({**due, **self.state})
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(name in lacks)
        return not lacks


def _shape(state: Mapping[str, Tensor], name: str) -> str:
    return "x".join(map(str, state[name].shape)) or "one number" if name in state else "nothing"


def train_except_frozen(module: nn.Module) -> None:
    """Training mode, but for the parts all of whose parameters stand still: their running statistics do, too."""
    module.train()
    for part in module.modules():
        parameters = list(part.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            part.eval()
