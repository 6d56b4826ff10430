"""A file of figures that a paper prints, as a package of papers would bring it."""

from __future__ import annotations

FILE = """
paper: acme-2024
title: Actions from Afar
citation: Acme et al., ICCV 2024
common: {metric: top1}
tables:
  table2:
    printed: Table 2
    title: what each part adds
    common: {dataset: acts, protocol: split1}
    note: the caption counts three rows
    columns:
      net18: {printed: Net-18, backbone: net18}
      net34: {printed: Net-34, backbone: net34}
    rows:
      alone: {printed: Alone, figures: [40.5, 41]}
      ours: {printed: Ours, figures: [48.25, ~], note: {net18: the text has 48.52}}
      theirs: {printed: Theirs, origin: "Smith, 1999", figures: [12.0, 13.0]}
"""
