"""Measure which damaged videos `elrbench data verify` reports: cut files, and files with changed bytes.

    python benchmarks/damage_detection.py DATA/hmdb51 DATA/jhmdb DATA/ucf101 --clips 20

Each folder gives up to `--clips` AVI files, chosen at random but always the same. Each file is cut five times, changed
in ten bytes four times, and in one byte ten times, at random places. `pictures differ` and `pictures are the same`
compare the decoded frames with those of the whole file. Clips that are broken or suspect count as reported.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmark_core.specs.index import VideoFile
from elrbench_plugins.commands.data.verify import DecodedClip, decode_clip

CUTS, ONE, TEN = 5, 10, 4  # damaged files for each whole file


def damaged(whole: bytes, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yield (kind of damage, content) of damaged copies of a file."""
    for _ in range(CUTS):
        yield "cut at a random place", whole[: int(len(whole) * rng.uniform(0.1, 0.99))]
    for count, copies in ((1, ONE), (10, TEN)):
        for _ in range(copies):
            content = bytearray(whole)
            for _ in range(count):
                content[rng.randrange(len(content))] ^= rng.randrange(1, 256)
            yield f"{count} bytes changed" if count > 1 else "1 byte changed", bytes(content)


def pictures(decoded: DecodedClip | str) -> str:
    """Return a digest of the decoded frames; empty if the file is broken."""
    return "" if isinstance(decoded, str) else decoded.content


def main(argv: Sequence[str] | None = None) -> int:
    """Print reported and all files for each kind of damage. Return 1 if a whole file is reported, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of AVI files")
    parser.add_argument("--clips", type=int, default=20, help="files of each folder")
    chosen = parser.parse_args(argv)
    rng = random.Random(0)
    reported: Counter[str] = Counter()
    files: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.avi"
        for root in chosen.folders:
            paths = sorted(root.rglob("*.avi"))
            for path in sorted(rng.sample(paths, min(chosen.clips, len(paths)))):
                whole = path.read_bytes()
                sound = decode_clip(VideoFile(path))
                found = isinstance(sound, str) or bool(sound.damage)
                files["none"] += 1
                reported["none"] += found
                for kind, content in damaged(whole, rng):
                    copy.write_bytes(content)
                    decoded = decode_clip(VideoFile(copy))
                    if "changed" in kind:
                        kind += (
                            ", pictures are the same" if pictures(decoded) == pictures(sound) else ", pictures differ"
                        )
                    files[kind] += 1
                    reported[kind] += isinstance(decoded, str) or bool(decoded.damage)
    for kind, count in sorted(files.items()):
        print(f"{kind}: {reported[kind]} of {count} reported")
    return int(reported["none"] > 0)


if __name__ == "__main__":
    raise SystemExit(main())
