"""A backbone with stage maps, and a method that compares the maps of two networks."""

from elrbench import RECIPE, BackboneSpec, MethodSpec, Option, Published, hookimpl


@hookimpl
def elr_backbones():
    """A small image network. `stages` names its maps; methods choose among them by name or number."""
    return [
        BackboneSpec(
            name="four-steps",
            summary="four convolutions, each halves the picture",
            factory="elrbench_maps:build",
            options={"width": Option(default=16, low=4, help="channels of the first map")},
            stages=("half", "quarter", "eighth", "sixteenth"),
            mean=(0.5, 0.5, 0.5),
            std=(0.25, 0.25, 0.25),
            smallest=16,
            published=(Published(size=(96, 128)),),
        )
    ]


def build(classes, options):
    """Return the network with a classifier for `classes` classes. torch is imported here, when a network is needed."""
    from torch import nn

    def step(before, after):
        convolution = nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU())

    class FourSteps(nn.Module):
        def __init__(self):
            super().__init__()
            widths = [3, *(options["width"] * 2**level for level in range(4))]
            self.steps = nn.ModuleList(map(step, widths[:-1], widths[1:]))
            self.num_features = widths[-1]
            self.fc = nn.Linear(self.num_features, classes)

        def forward_features(self, x):
            """Return the maps of (N, 3, H, W): (N, 16, H/2, W/2) to (N, 128, H/16, W/16)."""
            maps = []
            for module in self.steps:
                x = module(x)
                maps.append(x)
            return maps

        def pool(self, last):
            """Return features (N, F) of the last map."""
            return last.mean((2, 3))

        def get_classifier(self):
            """Return the module from F features to the classes."""
            return self.fc

    return FourSteps()


@hookimpl
def elr_methods():
    """The student's attention maps imitate the teacher's."""
    return [
        MethodSpec(
            name="map-match",
            summary="the student's attention maps imitate those of the teacher",
            citation="Zagoruyko and Komodakis, Paying More Attention to Attention, ICLR 2017, eq. 2",
            fit="elrbench_maps:fit",
            options={**RECIPE, "beta": Option(default=100.0, low=0.0, help="weight of the difference of maps")},
            variants={"labels": {"beta": 0.0}},  # the control: trained as long, without the idea
            own_controls={"": "map-match:labels"},
            idea_options=("beta",),
            defaults={"backbone": "four-steps", "enhancer": "bilinear", "size": "96x128", "sampling": "4x1"},
            budgets={"smoke": {"method.epochs": 1, "method.batch": 8, "size": "48x64", "sampling": "2x1"}},
            needs_high=True,
            needs=("stages", "same-network"),
        )
    ]


def fit(training):
    """Train a teacher on high views, then the student on low views. Return the student."""
    teacher = training.stage("teacher", lambda net: learn(training, net), training.teacher(), needs=("high", *RECIPE))
    needs = ("low", "high", "beta", *RECIPE, teacher)
    return training.stage("student", lambda net: learn(training, net, teacher), training.recognizer(), needs=needs)


def learn(training, net, teacher=None):
    """`trace` returns the stage maps of a pass together with its logits."""
    import torch

    options, epochs = training.options, training.options["epochs"]
    views = training.views("train", low=teacher is not None, high=True)
    recipe = training.recipe(net, views, epochs)
    for batch in training.epochs(views, epochs, state=[net, recipe]):
        with training.autocast():
            trace = net.trace(batch.high if teacher is None else batch.low, batch.mask, batch.box)
        loss = training.task_loss(trace.logits, batch.target)
        if teacher is not None:
            with torch.no_grad():
                target = teacher.eval().trace(batch.high, batch.mask, batch.box)
            pairs = list(zip(trace.stages, target.stages, strict=True))  # each (B*K, C, h, w)
            distance = sum((attention(a) - attention(b)).square().sum(1).mean() for a, b in pairs) / len(pairs)
            loss = loss + options["beta"] / 2 * distance
            training.log(distance=distance)
        recipe.step(loss)
        training.log(loss=loss)


def attention(maps):
    """Return the mean square over channels, flat and of length 1: (N, C, h, w) -> (N, h*w). Eq. 2."""
    from torch.nn.functional import normalize

    return normalize(maps.float().square().mean(1).flatten(1), dim=1)
