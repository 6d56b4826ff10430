"""What `watch` says before its first prediction: classes, window, and how frames differ from those of the training."""

from __future__ import annotations

from elrbench_plugins.commands.watch.model import Model

SHOWN = 12  # names of classes


def start_line(model: Model, *, length: int, every: int, rate: float | None, degrade: bool) -> str:
    """Return one line. length: frames of a window; every: frames from prediction to prediction.

    rate: frames per second of the source; None if unknown. degrade: frames are averaged to the low size.
    """
    names = ", ".join(model.classes[:SHOWN]) + (", …" if len(model.classes) > SHOWN else "")
    parts = [f"{len(model.classes)} classes ({names})", f"windows of {_frames(length, rate)}, one every {every}"]
    if degrade and (other := left_out(model)):
        parts.append(other)
    return "; ".join(parts)


def left_out(model: Model) -> str:
    """Return how frames of `--degrade` differ from those that the model was trained on; "" if they do not."""
    name, numbers = model.degradation, model.degradation_options
    if name == "native":
        return "--degrade averages frames, and the model was trained on clips as recorded"
    if not name.startswith("average-"):
        return f"--degrade averages frames, and the model was trained on frames of {name}"
    blur, noise = (float(numbers.get(key, 0)) for key in ("sigma_blur", "sigma_noise"))
    parts = [f"blur ({blur:g} low pixels)"] * (blur > 0) + [f"noise ({noise:g} grey levels)"] * (noise > 0)
    return f"--degrade leaves out the {' and '.join(parts)} of {name}" if parts else ""


def _frames(count: int, rate: float | None) -> str:
    return f"{count} frames" + (f" ({count / rate:.2f} s at {rate:g} frames per second)" if rate else "")
