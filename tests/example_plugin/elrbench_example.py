"""An enhancer and a transfer method in one file. Its specs import no torch, so that `elrbench list` stays quick."""

from benchmark_core import EnhancerSpec, MethodSpec, Option, hookimpl
from benchmark_core.training.recipe_options import RECIPE


@hookimpl
def elr_enhancers():
    """Bilinear interpolation, then one learnt 3x3 filter per colour."""
    return [EnhancerSpec(name="sharpen", summary="bilinear, then a learnt filter", factory="elrbench_example:sharpen")]


@hookimpl
def elr_methods():
    """The student imitates the teacher's softened answers."""
    temperature = Option(default=4.0, low=1.0, help="divides the logits before they are compared")
    share = Option(default=0.5, low=0.0, high=1.0, help="weight of the teacher's answer; the label has the rest")
    return [
        MethodSpec(
            name="soft-labels",
            summary="the student imitates the teacher's softened answers",
            citation="Hinton et al., Distilling the Knowledge in a Neural Network, 2015",
            fit="elrbench_example:fit",
            options={**RECIPE, "temperature": temperature, "share": share},
            defaults={"backbone": "resnet18", "enhancer": "bilinear", "size": "96x128", "sampling": "4x1"},
            budgets={
                "small": {"method.epochs": 20, "method.batch": 16},
                "smoke": {"method.epochs": 1, "method.batch": 8, "size": "48x64", "sampling": "2x1"},
            },
            needs_high=True,
        )
    ]


def sharpen(low, size, options):
    """A module from (N, 3, h, w) in [0, 1] to (N, 3, H, W)."""
    from torch import nn

    identity = nn.Conv2d(3, 3, 3, padding=1, groups=3)
    nn.init.dirac_(identity.weight, groups=3)  # at first it changes nothing
    nn.init.zeros_(identity.bias)
    return nn.Sequential(nn.Upsample(size, mode="bilinear"), identity)


def fit(training):
    """Two shared stages: a teacher on high views, then the student on low ones. Returns what is deployed and scored."""
    teacher = training.stage("teacher", lambda net: learn(training, net), training.teacher(), needs=("high", *RECIPE))
    student = training.recognizer()
    imitation = ("low", "high", "temperature", "share", *RECIPE, teacher)
    return training.stage("student", lambda net: learn(training, net, teacher), student, needs=imitation)


def learn(training, net, teacher=None):
    """Without a teacher: labels, on high views. With one: its answers and the labels, on low views."""
    import torch

    options, epochs = training.options, training.options["epochs"]
    views = training.views("train", low=teacher is not None, high=True)
    recipe = training.recipe(net, views, epochs)
    for batch in training.epochs(views, epochs, state=[net, recipe]):
        with training.autocast():
            logits = net(batch.high if teacher is None else batch.low, batch.mask, batch.box)  # (B, C)
        loss = training.task_loss(logits, batch.target)
        if teacher is not None:
            with torch.no_grad():
                answer = teacher.eval()(batch.high, batch.mask, batch.box)
            soft = training.soft_loss(logits, answer, options["temperature"])
            loss = (1 - options["share"]) * loss + options["share"] * soft
        recipe.step(loss)
        training.log(loss=loss)
