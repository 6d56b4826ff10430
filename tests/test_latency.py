"""Latency with a clock set by the test, and with the GPU's own clock if there is a GPU."""

import contextlib
import json
import logging
import re
import subprocess
import types
import warnings

import pytest
import torch
from torch import nn

from benchmark_core.cli.cost_text import as_text
from benchmark_core.cost import clock as clocks
from benchmark_core.cost import latency as timing
from benchmark_core.cost.clock import CudaClock, read_clocks
from benchmark_core.cost.every import Subject
from benchmark_core.cost.latency import VARIANTS, Variant, measure_latency
from benchmark_core.cost.passes import Effort, quartiles
from benchmark_core.cost.quiet_compiler import quiet_compiler
from benchmark_core.cost.structure import cost_of
from benchmark_core.records.checksum import add_checksum
from benchmark_core.records.cost_record import CostRecord, Latency
from benchmark_core.records.schema_check import check_schema
from benchmark_core.specs.published import Published

CPU = torch.device("cpu")
LOW = torch.rand(1, 2, 3, 1, 6, 8)
QUICK = Effort(warm_up=2, warm_up_ms=0, passes=4, passes_ms=0)
FULL = torch.cuda.OutOfMemoryError


class Net(nn.Module):
    """One linear layer; notes what each pass is made in. `most`: clips that it has memory for."""

    def __init__(self, most=1000):
        super().__init__()
        self.fc = nn.Linear(8, 5)
        self.most = most
        self.passes = []

    def forward(self, low):
        if len(low) > self.most:
            raise FULL("full")
        made = self.fc(low)
        self.passes.append((len(low), made.dtype, self.training, made.is_inference(), torch.is_grad_enabled()))
        return made


class Watch:
    """A clock: `times` in turn, the last one for ever; a log of what was asked for."""

    def __init__(self, *times, peaks=(0,)):
        self.times, self.peaks = list(times), list(peaks)
        self.log = []

    @contextlib.contextmanager
    def at_work(self):
        self.log.append("begin")
        yield
        self.log.append("end")

    def time(self, step):
        assert "end" not in self.log
        self.log.append("time")
        step()
        return self.times.pop(0) if len(self.times) > 1 else self.times[0]

    def restart_peak(self):
        self.log.append("restart")

    def peak(self):
        return self.peaks.pop(0) if len(self.peaks) > 1 else self.peaks[0]

    def release(self):
        self.log.append("release")

    def notes(self):
        return {"clocks": {"clocks.sm": 1980.0}}


def measured(net, watch, **more):
    return measure_latency(net, LOW, CPU, clock=watch, **{"effort": QUICK, "batch": 4, **more})


def test_without_a_gpu_there_is_none():
    assert measure_latency(Net(), LOW, CPU, variants=VARIANTS) is None


def test_a_pass_that_is_not_timed_then_warm_up_then_the_passes_that_count():
    """1 untimed, 2 to warm up, 4 that count, of one clip and of four; what was warm-up is in no figure."""
    net, watch = Net(), Watch(900, 800, 4, 1, 3, 2, 700, 600, 20, 10, 40, 30, peaks=[111, 222])
    latency = measured(net, watch)
    assert [size for size, *_ in net.passes] == [1] * 7 + [4] * 7
    single, many = latency["single"], latency["throughput"]
    assert single == {"median": 2.5, "q1": 1.75, "q3": 3.25, "passes": 4, "peak_memory": 111}
    assert many == {
        "batch": 4, "median": 25, "q1": 17.5, "q3": 32.5, "passes": 4, "peak_memory": 222, "clips_per_second": 160,
    }  # fmt: skip
    each = ["time"] * 2 + ["restart"] + ["time"] * 4  # the peak is that of the passes that count
    assert watch.log == ["begin", *each, *each, "end"]


def test_the_record_says_how_it_was_measured():
    latency = measured(Net(), Watch(1.0))
    assert latency["unit"] == "ms" and latency["precision"] == "fp32" and latency["compiled"] is False
    assert latency["effort"] == {"warm_up": 2, "warm_up_ms": 0, "passes": 4, "passes_ms": 0, "most": 1000}
    assert latency["clocks"] == {"clocks.sm": 1980.0} and "variants" not in latency
    check_schema(json.loads(json.dumps(latency)), Latency)


@pytest.mark.parametrize(
    ("effort", "ms", "warm_up", "passes"),
    [
        (Effort(warm_up=2, warm_up_ms=0, passes=3, passes_ms=0), 1.0, 2, 3),
        (Effort(warm_up=2, warm_up_ms=100, passes=3, passes_ms=200), 10.0, 10, 20),  # a quick network: by time
        (Effort(warm_up=2, warm_up_ms=100, passes=3, passes_ms=200), 500.0, 2, 3),  # a slow one: by number
        (Effort(warm_up=2, warm_up_ms=100, passes=3, passes_ms=200, most=15), 0.001, 15, 15),  # an end to it
    ],
)
def test_warm_up_and_passes_are_by_number_and_by_time(effort, ms, warm_up, passes):
    net = Net()
    latency = measured(net, Watch(ms), effort=effort, batch=1)
    assert latency["single"]["passes"] == latency["throughput"]["passes"] == passes
    assert len(net.passes) == 2 * (1 + warm_up + passes)


def test_a_pass_is_in_testing_mode_and_without_gradients():
    net = Net().train()
    measured(net, Watch(1.0))
    assert {facts[1:] for facts in net.passes} == {(torch.float32, False, True, False)}
    assert net.training


def test_a_batch_that_does_not_fit_is_halved():
    net, watch = Net(most=10), Watch(8.0)
    many = measured(net, watch, batch=32)["throughput"]
    assert many["batch"] == 8 and many["clips_per_second"] == 1000
    assert watch.log.count("release") == 2  # of 32, of 16


def test_a_clip_that_does_not_fit_is_an_error_and_the_mode_is_put_back():
    net = Net(most=0).train()
    with pytest.raises(FULL):
        measured(net, Watch(1.0))
    assert net.training


# -- variants


def eager(module):
    """A compiler that compiles nothing."""
    return lambda low: module(low)


def test_variants_stand_beside_and_begin_where_fp32_fitted():
    net = Net(most=10)
    watch = Watch(*[2.0] * 12, *[16.0] * 6, *[1.0] * 6, *[4.0] * 6, 3.0)  # the last is for all that follows
    latency = measured(net, watch, batch=32, variants=VARIANTS, compiler=eager)
    assert [(each["precision"], each["compiled"]) for each in latency["variants"]] == [
        ("bf16", False), ("fp32", True), ("bf16", True),
    ]  # fmt: skip
    bf16, compiled, both = latency["variants"]
    assert latency["single"]["median"] == latency["throughput"]["median"] == 2 and latency["throughput"]["batch"] == 8
    assert bf16["single"]["median"] == 16 and bf16["throughput"]["median"] == 1
    assert compiled["single"]["median"] == 4 and both["throughput"]["median"] == 3
    assert {each["throughput"]["batch"] for each in latency["variants"]} == {8}
    assert bf16["throughput"]["clips_per_second"] == 8000
    check_schema(json.loads(json.dumps(latency)), Latency)


def test_bf16_is_autocast_and_compiled_is_outside_inference_mode():
    net = Net()
    measured(net, Watch(1.0), variants=[Variant("bf16", False), Variant("fp32", True)], compiler=eager)
    facts = list(dict.fromkeys(net.passes))
    half, whole = torch.bfloat16, torch.float32
    assert facts == [
        (1, whole, False, True, False), (4, whole, False, True, False),
        (1, half, False, True, False), (4, half, False, True, False),
        (1, whole, False, False, False), (4, whole, False, False, False),
    ]  # fmt: skip
    assert net.fc.weight.dtype == whole


def test_what_cannot_be_compiled_is_a_line_of_the_record_and_the_rest_stands():
    def broken(module):
        def raises(low):
            raise RuntimeError("no compiler here\nand a long story")

        return raises

    net = Net()
    latency = measured(net, Watch(1.0), variants=VARIANTS, compiler=broken)
    bf16, *compiled = latency["variants"]
    assert bf16["single"]["median"] == 1
    assert compiled == [
        {"precision": precision, "compiled": True, "failed": "RuntimeError: no compiler here"}
        for precision in ("fp32", "bf16")
    ]
    check_schema(json.loads(json.dumps(latency)), Latency)


def test_a_variant_for_which_memory_is_short_is_a_line_too():
    class Half(Net):
        def forward(self, low):
            if torch.is_autocast_enabled("cpu"):
                raise FULL("")
            return super().forward(low)

    (bf16,) = measured(Half(), Watch(1.0), variants=VARIANTS[:1])["variants"]
    assert bf16["failed"] == "OutOfMemoryError: no reason given"


def test_torch_compile_is_what_compiles(monkeypatch):
    """Every shape its own graph; without code generation, which needs a compiler of its own."""
    asked = []

    def compiler(module, **how):
        asked.append(how)
        return functional(module, backend="eager", **how)

    functional = torch.compile
    monkeypatch.setattr(torch, "compile", compiler)
    (compiled,) = measured(Net(), Watch(1.0), variants=[Variant("fp32", True)])["variants"]
    assert asked == [{"dynamic": False}] and compiled["single"]["median"] == 1 and "failed" not in compiled


def test_what_compilers_say_stays_within(recwarn):
    def talks(module):
        warnings.warn("tune me", UserWarning, stacklevel=1)
        return eager(module)

    measured(Net(), Watch(1.0), variants=[Variant("fp32", True)], compiler=talks)
    assert not recwarn.list


def test_traces_of_graph_breaks_are_printed_only_if_asked_for(monkeypatch):
    tracer = logging.getLogger("torch._dynamo.variables.tensor")  # says where `Tensor.item()` breaks a graph
    monkeypatch.delenv("TORCH_LOGS", raising=False)

    def says(level=logging.WARNING):
        return tracer.isEnabledFor(level)

    assert says()
    with pytest.raises(RuntimeError, match="broken"), quiet_compiler():
        assert not says() and says(logging.ERROR)
        raise RuntimeError("broken")
    assert says()
    monkeypatch.setenv("TORCH_LOGS", "graph_breaks")
    with quiet_compiler():
        assert says()


# -- in the record


def test_a_record_keeps_what_was_timed_and_only_in_full_where_asked(monkeypatch, catalog):
    asked = []

    def measure(recognizer, low, device, *, variants):
        asked.append(tuple(variants))
        return measured(Net(), Watch(1.0, peaks=[77, 99]))

    monkeypatch.setattr(timing, "measure_latency", measure)
    subject = Subject(catalog.enhancers["bilinear"], Published(low=(3, 4), size=(6, 8)))
    for thorough in (False, True):
        record = cost_of(subject.build(), subject.describe(), (3, 4), CPU, thorough=thorough)
        assert record["peak_memory"] == record["latency"]["single"]["peak_memory"] == 77
        check_schema(add_checksum(record), CostRecord)
    assert asked == [(), VARIANTS]


def test_people_see_every_figure():
    def broken(module):
        raise RuntimeError("no compiler here")

    latency = measured(Net(), Watch(2.0, peaks=[3 << 20]), variants=VARIANTS, compiler=broken)
    described = {"params": {"total": 1}, "macs": {"view": 1, "clip": 1, "enhancer": 0}, "uncounted": {}}
    record = {"structure": "s", **described, "understated": [], "latency": latency, "device": "cuda: G"}
    lines = [re.split(r"  +", line.strip()) for line in as_text(record).splitlines()]
    one, four = "2.00 ms (2.00 to 2.00), 3 MiB", "2.00 ms (2.00 to 2.00), 2000 clips/s, 3 MiB"
    assert ["latency per clip", one] in lines and lines.count(["batch of 4", four]) == 2
    assert ["bf16", one] in lines and ["fp32, compiled", "- (RuntimeError: no compiler here)"] in lines


# -- the GPU's own clock, as far as it can be tried without one


class Event:
    log: list[str] = []

    def __init__(self, enable_timing):
        assert enable_timing
        self.number = len([entry for entry in self.log if entry.startswith("made")])
        self.log.append(f"made {self.number}")

    def record(self):
        self.log.append(f"record {self.number}")

    def synchronize(self):
        self.log.append(f"wait {self.number}")

    def elapsed_time(self, other):
        return 1.5 if (self.number, other.number) == (0, 1) else -1.5


def test_a_pass_stands_between_two_events_and_is_waited_for(monkeypatch):
    Event.log = []
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: Event.log.append("idle"))
    assert CudaClock(CPU).time(lambda: Event.log.append("pass")) == 1.5
    assert Event.log == ["made 0", "made 1", "idle", "record 0", "pass", "record 1", "wait 1"]


def test_notes_name_settings_and_clocks(monkeypatch):
    told = types.SimpleNamespace(uuid="12ab-34")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: told)
    asked = []

    def run(words, **how):
        asked.append(words)
        return types.SimpleNamespace(stdout="1755, 1980, 2619, 2619, 41\n")

    monkeypatch.setattr(clocks.subprocess, "run", run)
    notes = CudaClock(CPU).notes()
    assert asked[0][:2] == ["nvidia-smi", "--id=GPU-12ab-34"]
    assert notes["clocks"]["clocks.sm"] == 1755 and notes["clocks"]["temperature.gpu"] == 41
    assert notes["tf32"] == {
        "convolution": torch.backends.cudnn.allow_tf32,
        "matmul": torch.backends.cuda.matmul.allow_tf32,
    }
    assert json.loads(json.dumps(notes)) == notes

    def fails(words, **how):
        raise subprocess.CalledProcessError(6, words)

    monkeypatch.setattr(clocks.subprocess, "run", fails)
    assert CudaClock(CPU).notes()["clocks"] is None
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: object())  # no identity: whose clocks?
    assert CudaClock(CPU).notes()["clocks"] is None


@pytest.mark.parametrize(
    ("told", "read"),
    [
        ("1755, 1980, 2619, 2619, 41\n", dict(zip(clocks.QUERY, (1755, 1980, 2619, 2619, 41), strict=True))),
        ("[N/A], 1980, [Not Supported], 2619, [N/A]", {"clocks.max.sm": 1980, "clocks.max.mem": 2619}),
        ("No devices were found\n", None),
        ("", None),
    ],
)
def test_clocks_are_read_as_far_as_they_are_told(told, read):
    assert read_clocks(told) == read


def test_quartiles():
    assert quartiles([4.0, 1.0, 2.0, 3.0, 100.0]) == {"median": 3.0, "q1": 2.0, "q3": 4.0}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_latency_on_a_gpu():
    device = torch.device("cuda")
    net = nn.Sequential(nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 64)).train()
    low = torch.rand(1, 4096)
    latency = measure_latency(net, low, device, effort=QUICK, batch=64, variants=VARIANTS)
    assert net.training
    weights = sum(parameter.numel() * 4 for parameter in net.parameters())
    for timed in (latency["single"], latency["throughput"]):
        assert 0 < timed["q1"] <= timed["median"] <= timed["q3"]
        assert weights < timed["peak_memory"] < 4 * weights
    assert latency["throughput"]["batch"] == 64
    assert latency["throughput"]["clips_per_second"] == pytest.approx(64_000 / latency["throughput"]["median"])
    assert latency["tf32"].keys() == {"convolution", "matmul"} and latency["cuda"]
    bf16 = latency["variants"][0]
    assert bf16["throughput"]["median"] > 0
    check_schema(json.loads(json.dumps(latency)), Latency)
