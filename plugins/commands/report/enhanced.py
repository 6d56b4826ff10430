"""Frames and foreground attention of a trained enhancer (Demir et al., TinyVIRAT, Fig. 7)."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark_core.clips.views import Batch
from elrbench_plugins.commands.report.attention import AttentionRow, foreground, uris, view_rows
from elrbench_plugins.commands.report.pictures import colours, heated, stretched
from elrbench_plugins.commands.report.run_clips import RunClips, clip_of, even_frames, image_of, trace_batch


def is_trained(run_clips: RunClips) -> bool:
    """Return whether the run's enhancer has parameters. An enhancer without parameters is plain interpolation."""
    return any(True for _ in run_clips.loaded.recognizer.enhancer.parameters())


def enhanced_of(run_clips: RunClips, batches: Sequence[Batch]) -> tuple[dict[str, list[AttentionRow]], str]:
    """Return rows by clip id: low, enhanced, foreground and high frames. Also return why there is no foreground, or "".

    batches: one clip each.
    """
    network = run_clips.loaded.recognizer.to(run_clips.device).eval()
    name, why = run_clips.loaded.plan.enhancer, ""
    clips: dict[str, list[AttentionRow]] = {}
    for batch in batches:
        views = view_rows(run_clips, batch)
        with run_clips.inference():
            image = image_of(trace_batch(network, batch, high=False))
            assert batch.low is not None
            heat = foreground(network, clip_of(batch.low, 0))
        components = even_frames(len(image))
        seen = colours(image[components])
        rows = [
            *views[-1:],
            AttentionRow(label=f"enhanced by {name}, {seen.shape[1]}x{seen.shape[2]}", frames=uris(seen)),
        ]
        if heat is None:
            why = f"No foreground attention: enhancer '{name}' has no method 'attention'"
        else:
            label = f"foreground attention, from {heat.min():.2f} (dark) to {heat.max():.2f} (yellow)"
            rows.append(AttentionRow(label=label, frames=uris(heated(seen, stretched(heat)[components]))))
        clips[batch.ids[0]] = [*rows, *views[:-1]]
    return clips, why
