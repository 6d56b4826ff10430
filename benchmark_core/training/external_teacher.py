"""An external teacher: a trained network that a plan names, used as a method's teacher with frozen weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from benchmark_core.errors import ElrError
from benchmark_core.networks.checkpoint import shape_text

HEAD = "head."  # prefix of the tensors of a recognizer that may be trained on top of an external teacher


@dataclass(frozen=True, kw_only=True)
class ExternalTeacher:
    """Weights of an external teacher. name: METHOD@DIGEST, as in the plan. state: the recognizer's tensors by name."""

    name: str
    state: Mapping[str, Tensor]

    def load_into(self, module: nn.Module) -> bool:
        """Load the tensors into `module` and freeze them. Returns whether they cover all of `module`.

        If they do not, `module` has a head with parameters of its own, which keeps its values and stays trainable.
        Raises ElrError, naming the first tensor, if the structures differ in anything else.
        """
        expected = module.state_dict()
        missing = [name for name in expected if name not in self.state]
        unexpected = [name for name in self.state if name not in expected]
        common = [name for name in expected if name in self.state]
        reshaped = [name for name in common if shape_text(expected[name]) != shape_text(self.state[name])]
        wrong = [name for name in missing if not name.startswith(HEAD)] + unexpected + reshaped
        head_in_part = missing and any(name.startswith(HEAD) for name in self.state)
        if wrong or head_in_part:
            name = (wrong or missing)[0]
            raise ElrError(
                f"the teacher {self.name} has another structure than this plan's teacher: {name} is "
                f"{shape_text(self.state.get(name))}, expected {shape_text(expected.get(name))}; "
                "--teacher needs a run of the same backbone, with the plan's head or a head without parameters"
            )
        module.load_state_dict({**expected, **self.state})
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(name in missing)
        return not missing


def train_except_frozen(module: nn.Module) -> None:
    """`train()`, but keep frozen submodules in eval mode, so that their BatchNorm statistics stay fixed.

    A submodule is frozen if it has parameters and none of them requires a gradient.
    """
    module.train()
    for part in module.modules():
        parameters = list(part.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            part.eval()
