"""A yardstick without a learnt feature: histograms of optical flow, flow gradients and grey gradients, with an SVM."""

from dataclasses import replace

from elrbench import BackboneSpec, MethodSpec, Option, Published, hookimpl
from elrbench_plugins.svm_head.options import options

ZERO, ONE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)  # pixels stay as they are
BINS = Option(default=8, low=2, high=64, help="bins of orientation over 360 degrees")
ANGLES = Option(default=8, low=2, high=64, help="bins of flow over 360 degrees, and angles of grey gradients over 180")
ALL_FRAMES = "windows-40"  # all frames of a clip; the descriptors of several windows are averaged


_HEAD = options(head="rbf-svm", scaling="hellinger")
OPTIONS = {**_HEAD, "c": replace(_HEAD["c"], unspecified=True)}


@hookimpl
def elr_backbones() -> list[BackboneSpec]:
    """Return the two descriptors, which have no weights."""
    return [
        BackboneSpec(
            name="hof",
            summary="histograms of flow (HOF), flow gradients (MBH) and grey gradients (HOG) on grids; no weights",
            citation="Laptev et al., Learning Realistic Human Actions from Movies, CVPR 2008 (HOG, HOF); Dalal et al., "
            "ECCV 2006 (MBH); flow: Kroeger et al., Fast Optical Flow using Dense Inverse Search, ECCV 2016",
            factory="elrbench_plugins.hof_svm.hof:hof",
            dims=3,
            sampling=ALL_FRAMES,
            smallest=12,
            mean=ZERO,
            std=ONE,
            published=(Published(size=(48, 64)),),
            options={
                "bins": BINS,
                "still": Option(
                    default=0.4,
                    low=0.0,
                    help="pixels per frame at network size: a slower pixel votes for the bin of no motion",
                ),
                "grids": Option(
                    default="1x1x1,1x2x2,2x3x4,2x6x8",
                    help="grids of cells TxYxX, separated by commas; each cell of each grid has its own histograms",
                ),
            },
        ),
        BackboneSpec(
            name="pot",
            summary="pooled time series of histograms of flow and grey gradients in 5x5 cells; no weights",
            citation="Ryoo, Rothrock and Matthies, Pooled Motion Features for First-Person Videos, CVPR 2015",
            factory="elrbench_plugins.hof_svm.pot:pot",
            dims=3,
            sampling=ALL_FRAMES,
            smallest=12,
            mean=ZERO,
            std=ONE,
            published=(Published(size=(48, 64)),),
            unspecified=(
                "how 12x16 frames are enlarged, and flow at that size: DIS on all pixels of the enlarged frames; the "
                "authors' code has Farneback's flow on every fourth pixel of 320x240",
                "flow counts if it is at least `still` long; the authors' code compares the absolute sum of its two "
                "components",
                "a frame's histograms are means over the pixels of a cell, in the scale of the authors' cells of 64x48 "
                "pixels of 320x240; grey gradients are differences over 2 pixels of the enlarged frame",
                "sums and counts are divided by the number of frames of the sampled window, without repeated ones",
                "a clip that is longer than a window of the sampling (40 frames) has one pyramid per window, and the "
                "descriptors are averaged; pass e.g. --sampling windows-300",
            ),
            options={
                "bins": ANGLES,
                "cells": Option(default=5, low=1, high=32, help="cells along each side of the frame"),
                "levels": Option(default=4, low=1, high=6, help="levels of the temporal pyramid: 2^levels - 1 windows"),
                "lag": Option(default=2, low=1, help="frames between the two values of a temporal gradient"),
                "least": Option(
                    default=0.01,
                    low=0.0,
                    help="temporal gradients up to this size are not counted; units as in the authors' code: sampled "
                    "pixels of a cell (flow), and the sum of a cell's grey differences divided by 100",
                ),
                "still": Option(
                    default=0.6,
                    low=0.0,
                    help="pixels per frame at network size: slower motion is ignored (the authors' 3 pixels at width "
                    "320 are 0.6 at width 64)",
                ),
            },
        ),
    ]


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """Return the SVM on either descriptor."""
    return [
        MethodSpec(
            name="hof-svm",
            summary="yardstick: histograms of optical flow and gradients, SVM; no learnt feature",
            citation="Laptev et al., CVPR 2008; Wang et al., Dense Trajectories, IJCV 2013; square root: Arandjelovic "
            "and Zisserman, CVPR 2012",
            fit="elrbench_plugins.hof_svm.method:fit",
            recognizer="elrbench_plugins.hof_svm.method:recognizer",
            recognizer_options=("head", "scaling", "pyramid", "vectors"),
            backbones=("hof", "pot"),
            needs=("one-process",),
            check="elrbench_plugins.hof_svm.check:check",
            options=OPTIONS,
            variants={"pot": {"backbone": "pot", "head": "chi2-svm", "scaling": "none"}},
            defaults={"backbone": "hof", "enhancer": "bilinear", "size": "48x64", "sampling": ALL_FRAMES},
            yardstick=True,
            requires=("sklearn", "cv2"),
            extra="yardsticks",
        )
    ]
