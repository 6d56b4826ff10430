"""Subjects: proportions, clothes and habits, the same in all clips of a subject."""

from __future__ import annotations

from dataclasses import dataclass, replace

from elrbench_plugins.puppets.draws import SUBJECT, Draws
from elrbench_plugins.puppets.figure import Body
from elrbench_plugins.puppets.raster import Colour

SKINS: tuple[Colour, ...] = (
    (0.96, 0.80, 0.69),
    (0.87, 0.67, 0.53),
    (0.74, 0.54, 0.40),
    (0.55, 0.38, 0.27),
    (0.38, 0.26, 0.19),
)
HAIRS: tuple[Colour, ...] = (
    (0.10, 0.08, 0.07),
    (0.30, 0.18, 0.10),
    (0.62, 0.45, 0.22),
    (0.55, 0.55, 0.55),
    (0.45, 0.15, 0.08),
)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One person."""

    body: Body
    skin: Colour
    hair: Colour
    top: Colour
    bottom: Colour
    shoes: Colour
    short_sleeves: bool
    short_trousers: bool
    long_hair: bool
    amplitude: float  # width of movements, 1 on average
    pace: float  # speed, 1 on average
    stoop: float  # constant forward lean


def hue(draws: Draws, low: float = 0.12, high: float = 0.95) -> Colour:
    """Return a random colour with channels from `low` to `high`."""
    red, green, blue = draws.units(3)
    return (low + (high - low) * float(red), low + (high - low) * float(green), low + (high - low) * float(blue))


def vivid(draws: Draws) -> Colour:
    """Return a saturated colour (one channel low, one high, one random), or one near white or black."""
    order, free, plain = draws.units(3)
    if plain < 0.25:
        return (0.95, 0.95, 0.95) if free < 0.5 else (0.06, 0.06, 0.06)
    levels = (0.04, 0.96, float(free))
    ways = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    red, green, blue = ways[int(float(order) * 6)]
    return (levels[red], levels[green], levels[blue])


def subject(seed: int, number: int) -> Subject:
    """Return the person of this number."""
    draws = Draws(SUBJECT, seed, number)
    body = Body(
        leg=0.50 * draws.between(0.94, 1.06),
        torso=0.29 * draws.between(0.93, 1.07),
        arm=0.37 * draws.between(0.94, 1.06),
        shoulder=0.115 * draws.between(0.85, 1.15),
        hip=0.055 * draws.between(0.85, 1.2),
        head=0.062 * draws.between(0.92, 1.10),
        girth=draws.between(1.25, 1.55),
    )
    return Subject(
        body=body,
        skin=draws.pick(SKINS),
        hair=draws.pick(HAIRS),
        top=hue(draws, 0.03, 0.75),
        bottom=hue(draws, 0.03, 0.55),
        shoes=hue(draws, 0.05, 0.9),
        short_sleeves=draws.chance(0.4),
        short_trousers=draws.chance(0.25),
        long_hair=draws.chance(0.35),
        amplitude=draws.between(0.88, 1.12),
        pace=draws.between(0.88, 1.12),
        stoop=draws.between(-0.02, 0.10),
    )


def dressed(who: Subject, draws: Draws) -> Subject:
    """Return the person in other clothes: new colours, sleeves and trousers, the same body, skin, hair and habits."""
    return replace(
        who,
        top=hue(draws, 0.03, 0.75),
        bottom=hue(draws, 0.03, 0.55),
        shoes=hue(draws, 0.05, 0.9),
        short_sleeves=draws.chance(0.4),
        short_trousers=draws.chance(0.25),
    )
