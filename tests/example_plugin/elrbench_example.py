"""An enhancer, a transfer method and a command in one file. Loading it imports no torch: `elrbench list` stays fast."""

import click

from elrbench import RECIPE, CommandSpec, ElrError, EnhancerSpec, MethodSpec, Option, hookimpl, load_catalog


@hookimpl
def elr_enhancers():
    """Bilinear interpolation, then one trained 3x3 filter per colour."""
    return [EnhancerSpec(name="sharpen", summary="bilinear, then a trained filter", factory="elrbench_example:sharpen")]


@hookimpl
def elr_methods():
    """The student imitates the teacher's softened logits."""
    temperature = Option(default=4.0, low=1.0, help="divides the logits before they are compared")
    share = Option(default=0.5, low=0.0, high=1.0, help="weight of the teacher's logits; the label has the rest")
    return [
        MethodSpec(
            name="soft-labels",
            summary="the student imitates the teacher's softened logits",
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


@hookimpl
def elr_commands():
    """`elrbench cite NAME...`."""
    return [CommandSpec(name="cite", summary="Print the citations of components.", command="elrbench_example:cite")]


@click.command("cite")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def cite(names):
    """elrbench cite cstat jhmdb

    Print the citation of each component, one per line.
    """
    sections = load_catalog().sections.values()
    for name in names:
        specs = [section[name] for section in sections if name in section]
        if not specs:
            raise ElrError(f"no component is called '{name}'; 'elrbench list' prints their names")
        for spec in specs:
            click.echo(f"{spec.kind} {spec.name}: {spec.citation or '-'}")


def sharpen(low, size, options):
    """Return a module from (N, 3, h, w) in [0, 1] to (N, 3, H, W)."""
    from torch import nn

    identity = nn.Conv2d(3, 3, 3, padding=1, groups=3)
    nn.init.dirac_(identity.weight, groups=3)  # initially the identity
    nn.init.zeros_(identity.bias)
    return nn.Sequential(nn.Upsample(size, mode="bilinear"), identity)


def fit(training):
    """Train a teacher on high views, then the student on low views; both are cached stages. Return the student."""
    teacher = training.stage("teacher", lambda net: learn(training, net), training.teacher(), needs=("high", *RECIPE))
    student = training.recognizer()
    imitation = ("low", "high", "temperature", "share", *RECIPE, teacher)
    return training.stage("student", lambda net: learn(training, net, teacher), student, needs=imitation)


def learn(training, net, teacher=None):
    """Train on labels and high views without a teacher; on labels, its logits and low views with one."""
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
                target = teacher.eval()(batch.high, batch.mask, batch.box)
            soft = training.soft_loss(logits, target, options["temperature"])
            loss = (1 - options["share"]) * loss + options["share"] * soft
        recipe.step(loss)
        training.log(loss=loss)
