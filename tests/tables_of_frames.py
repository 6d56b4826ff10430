"""Recordings of a thermal array, and a small Nagoya FIR, as its authors lay them out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from elrbench_plugins.nagoya_fir import DAYS

LABELS = ("walk", "sitdown", "sit", "standup", "stand", "falling1", "lie", "falling2", "walk1", "walk2")
HUMANS = {"20170203": (1, 2), "20170206": (3, 4), "20170209": (5, 6), "20170210": (7, 8, 9)}


def write_table(path: Path, rows: np.ndarray) -> Path:
    """Degrees (T, pixels) below a date and a header, with time and mean temperature before them, lines end in CRLF."""
    pixels = rows.shape[1]
    digits = 3 if pixels > 100 else 1
    lines = ["2017/02/06 18:46:52", ",".join(["Time (sec)", "PTAT", *(f"P{p:0{digits}d}" for p in range(pixels))])]
    for number, row in enumerate(rows):
        lines.append(",".join(map(str, [round(0.1 * number, 3), 25.4, *(round(float(cell), 7) for cell in row)])))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\r\n" for line in lines), newline="")
    return path


def write_nagoya(root: Path, days: tuple[str, ...] = tuple(DAYS)) -> Path:
    """Two recordings a day; in the first every person does every action, 6 to 9 rows each, the label's own warmth."""
    for day in days:
        rng = np.random.default_rng(int(day))
        lines, rows = [], [np.full(256, 3.5)] * 15  # the sensor warms up
        for human in HUMANS[day]:
            for number, label in enumerate(LABELS):
                first = len(rows) + 1
                count = 6 + number % 4
                picture = np.full(256, 23.0)
                picture[17 * number : 17 * number + 20] += 1.5
                rows += list(picture + rng.normal(0, 0.05, (count, 256)))
                lines.append(f"{day}_p1_light1.csv,{first},{len(rows)},{label},human{human}")
        write_table(root / day / "raw" / f"{day}_p1_light1.csv", np.array(rows))
        write_table(root / day / "raw" / f"{day}_p2_dark1.csv", np.full((20, 256), 23.0))
        lines.append(f"{day}_p2_dark1.csv,16,20,stand,human{HUMANS[day][0]}")
        path = root / "annotation" / f"annotation_{day}_human.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\r\n" for line in lines), newline="")
    return root
