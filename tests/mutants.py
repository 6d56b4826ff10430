"""Damaged copies of clips, the same every time: what downloads, full disks and mistaken hands make of files."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

Harm = Callable[[bytes, random.Random], bytes]


def truncated(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(1, len(data))]


def beheaded(data: bytes, chance: random.Random) -> bytes:
    return data[chance.randrange(1, min(len(data), 4000)) :]


def sprinkled(data: bytes, chance: random.Random) -> bytes:
    """A few bytes anywhere."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 10, 100, 1000))):
        out[chance.randrange(len(out))] = chance.randrange(256)
    return bytes(out)


def header_sprinkled(data: bytes, chance: random.Random) -> bytes:
    """A few bytes where sizes, rates and counts stand."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 4, 16))):
        out[chance.randrange(min(len(out), 2500))] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
    return bytes(out)


def zeroed(data: bytes, chance: random.Random) -> bytes:
    """A hole, as an interrupted download leaves it."""
    first = chance.randrange(len(data))
    last = min(len(data), first + chance.randrange(1, len(data)))
    return data[:first] + bytes(last - first) + data[last:]


def cut_out(data: bytes, chance: random.Random) -> bytes:
    first = chance.randrange(len(data))
    return data[:first] + data[first + chance.randrange(1, 5000) :]


def repeated(data: bytes, chance: random.Random) -> bytes:
    first = chance.randrange(len(data))
    part = data[first : first + chance.randrange(1, 20000)]
    return data[:first] + part * chance.randrange(2, 4) + data[first:]


def emptied(data: bytes, chance: random.Random) -> bytes:
    return b""


def noise(data: bytes, chance: random.Random) -> bytes:
    return chance.randbytes(chance.randrange(1, 50000))


def text(data: bytes, chance: random.Random) -> bytes:
    return b"<!doctype html><title>404 Not Found</title>\n" * chance.randrange(1, 200)


def play_list(data: bytes, chance: random.Random) -> bytes:
    """Names a file elsewhere and a place on the network, neither of which is to be opened."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:9", "#EXTINF:9,", "http://203.0.113.1/a.ts"]
    return "\n".join([*lines, "#EXTINF:9,", "/etc/hostname", "#EXT-X-ENDLIST", ""]).encode()


HARMS: tuple[Harm, ...] = (
    truncated, beheaded, sprinkled, header_sprinkled, zeroed, cut_out, repeated, sprinkled, header_sprinkled,
    truncated, emptied, noise, text, play_list,
)  # fmt: skip
NAMES = (
    "{}.avi", "{} with spaces.avi", "{}(1)!+&.avi", "{}%03d.avi", "{}.mp4", "{}.jpg", "{}", "-{}.avi", "a:{}.avi",
    "{}#?.mkv", "{}é\N{SNOWMAN}.avi", "{}.txt",
)  # fmt: skip


def mutants(clips: Sequence[Path], folder: Path, count: int, seed: int = 0) -> list[Path]:
    """`count` damaged copies under `folder`, with names that a shell, FFmpeg or a list might stumble over."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        data = clips[number % len(clips)].read_bytes()
        harm = HARMS[(number + number // len(HARMS)) % len(HARMS)]
        path = folder / NAMES[number % len(NAMES)].format(f"{number:04d}-{harm.__name__}")
        path.write_bytes(harm(data, chance))
        made.append(path)
    return made
