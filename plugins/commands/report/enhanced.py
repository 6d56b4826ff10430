"""What a learnt enhancer makes of low views, and what it holds to be foreground (Demir et al., TinyVIRAT, Fig. 7)."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark_core.clips.views import Batch
from elrbench_plugins.commands.report.attention import AttentionRow, foreground, given_rows, uris
from elrbench_plugins.commands.report.pictures import colours, heated, stretched
from elrbench_plugins.commands.report.seen import Material, clip_of, image_of, look, picked


def is_learnt(stock: Material) -> bool:
    """Whether the run's enhancer has parameters: one without them is plain interpolation."""
    return any(True for _ in stock.deployed.recognizer.enhancer.parameters())


def enhanced_of(stock: Material, batches: Sequence[Batch]) -> tuple[dict[str, list[AttentionRow]], str]:
    """Low, enhanced, foreground and high frames of each clip in `batches`, one clip a batch.

    And why the enhancer tells no foreground; nothing where it does.
    """
    network = stock.deployed.recognizer.to(stock.device).eval()
    name, why = stock.deployed.plan.enhancer, ""
    clips: dict[str, list[AttentionRow]] = {}
    for batch in batches:
        given = given_rows(stock, batch)
        with stock.seeing():
            image = image_of(look(network, batch, high=False))
            assert batch.low is not None
            heat = foreground(network, clip_of(batch.low, 0))
        components = picked(len(image))
        seen = colours(image[components])
        rows = [*given[-1:], AttentionRow(label=f"by {name}, {seen.shape[1]}x{seen.shape[2]}", frames=uris(seen))]
        if heat is None:
            why = f"No foreground: enhancer '{name}' has no method 'attention'"
        else:
            label = f"foreground attention, from {heat.min():.2f} (dark) to {heat.max():.2f}"
            rows.append(AttentionRow(label=label, frames=uris(heated(seen, stretched(heat)[components]))))
        clips[batch.ids[0]] = [*rows, *given[:-1]]
    return clips, why
