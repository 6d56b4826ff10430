"""Latency on a CPU: load by hand, modes of all engines, refusal of a busy machine, and the record's schema."""

import dataclasses
import json
import mmap
from pathlib import Path

import pytest
import torch
from run_records import make_cost
from test_cost import DESCRIBE, recognizer
from torch import nn

from benchmark_core.cli.cost_text import as_text
from benchmark_core.cost import cpu_latency, structure
from benchmark_core.cost import load as loads
from benchmark_core.cost.cpu_clock import CpuClock
from benchmark_core.cost.cpu_latency import CpuRequest, batch_for, measure_cpu_latency
from benchmark_core.cost.engines import ENGINES, subject_of
from benchmark_core.cost.load import BusyMachine, Ticks, read_ticks, usable_cpus
from benchmark_core.cost.passes import Effort
from benchmark_core.cost.streams import sum_costs
from benchmark_core.errors import ElrError, RunFailed
from benchmark_core.records.checksum import add_checksum
from benchmark_core.records.cost_record import (
    CostRecord,
    already_measured,
    has_fewer_variants,
    read_cost,
    single_on_cpu,
    write_cost,
)
from benchmark_core.records.publish_cost import publish_cost
from benchmark_core.records.schema_check import check_schema

LOW = torch.rand(1, 2, 3, 1, 6, 8)
QUICK = Effort(warm_up=1, warm_up_ms=0, passes=2, passes_ms=0)
ONE = {"median": 2.0, "q1": 1.0, "q3": 3.0}


class Net(nn.Module):
    """One linear layer, averaged; `threads` of each pass."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 5)
        self.threads = []

    def forward(self, low):
        if not torch.compiler.is_compiling():
            self.threads.append(torch.get_num_threads())
        return self.fc(low).mean((1, 2, 3, 4))


class Watch(CpuClock):
    """A clock: every pass takes 2 ms; `loads` in turn, the last one for ever."""

    loads: tuple[float, ...] = (0.01,)

    def __init__(self, weights=0):
        super().__init__(weights)
        self.turn = iter(self.loads)

    def time(self, step):
        step()
        return 2.0

    def peak(self):
        self.load = next(self.turn, self.loads[-1])
        return 7


def busy(*turns):
    return type("Busy", (Watch,), {"loads": turns})


@pytest.fixture(autouse=True)
def a_machine(monkeypatch):
    """Two usable CPUs that are idle while the load is listened to."""
    monkeypatch.setattr(cpu_latency, "LISTEN", 0)
    monkeypatch.setattr(cpu_latency, "usable_cpus", lambda: [0, 1])
    monkeypatch.setattr(cpu_latency, "read_ticks", lambda: Ticks(0, 0, 0))


# -- load


def test_load_is_the_busy_time_of_others():
    """By hand: of 200 ticks on two CPUs 90 were busy, 60 of them ours: others used 30 of 200."""
    before, after = Ticks(total=1000, busy=500, own=100), Ticks(total=1200, busy=590, own=160)
    assert before.load_until(after) == pytest.approx(0.15)
    assert before.load_until(before) == 0.0
    assert before.load_until(Ticks(1200, 590, 300)) == 0.0  # rounding of ticks is no negative load


def test_ticks_are_those_of_usable_cpus(tmp_path: Path, monkeypatch):
    """By hand: cpu1 is 1+2+3+50+4+5+6+7 = 78 ticks, 54 of them idle or waiting; cpu0 and guest time do not count."""
    (tmp_path / "self").mkdir()
    (tmp_path / "stat").write_text(
        "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 9 9 9 9 9 9 9 9 9 9\ncpu1 1 2 3 50 4 5 6 7 8 9\nx 1\n"
    )
    own = " ".join(map(str, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 40, 30, 2, 1, 99]))  # fields 4 to 18
    (tmp_path / "self" / "stat").write_text(f"12 (a (b) c) R {own}\n")
    monkeypatch.setattr(loads, "usable_cpus", lambda: [1])
    assert read_ticks(tmp_path) == Ticks(total=78, busy=24, own=73)
    assert read_ticks(tmp_path / "absent") is None


def test_the_load_of_this_machine_is_read():
    ticks = read_ticks()
    assert usable_cpus() and (ticks is None or ticks.total >= ticks.busy > 0)


def test_a_busy_machine_is_not_timed(monkeypatch):
    turns = iter([Ticks(0, 0, 0), Ticks(100, 40, 0)])
    monkeypatch.setattr(cpu_latency, "read_ticks", lambda: next(turns))
    with pytest.raises(BusyMachine, match=r"other processes used 40 % .* at most 10 % .* --max-load or --no-latency"):
        measure_cpu_latency(Net(), LOW, CpuRequest(engines=["eager"]))


def test_without_proc_nothing_is_timed(monkeypatch):
    monkeypatch.setattr(cpu_latency, "read_ticks", lambda: None)
    assert measure_cpu_latency(Net(), LOW) is None


def test_a_disturbed_measurement_is_repeated_and_then_refused():
    request = CpuRequest(engines=["eager"], effort=QUICK)
    found = measure_cpu_latency(Net(), LOW, request, clock=busy(0.5, 0.2, 0.05))
    assert found["load"] == 0.05
    with pytest.raises(BusyMachine, match="50 %"):
        measure_cpu_latency(Net(), LOW, request, clock=busy(0.5))
    assert measure_cpu_latency(Net(), LOW, dataclasses.replace(request, limit=0.5), clock=busy(0.5))["load"] == 0.5


# -- modes


def test_one_thread_and_all_one_clip_and_a_batch():
    net = Net().train()
    before = torch.get_num_threads()
    found = measure_cpu_latency(net, LOW, CpuRequest(engines=["eager"], effort=QUICK), clock=Watch)
    one, two = found["modes"]
    assert (one["threads"], two["threads"], found["threads"]) == (1, 2, 2)
    assert one["single"] == {"median": 2.0, "q1": 2.0, "q3": 2.0, "passes": 2, "peak_memory": 7}
    assert one["throughput"]["batch"] == 32 and one["throughput"]["clips_per_second"] == 32 / 0.002
    assert set(net.threads) == {1, 2} and net.training and torch.get_num_threads() == before


def test_batches_take_half_a_second_at_most():
    assert [batch_for(ms) for ms in (0.1, 15.625, 15.7, 200, 260, 9000)] == [32, 32, 16, 2, 1, 1]


def test_an_engine_that_fails_says_why():
    def fails(subject, clips):
        raise ValueError("no such\noperator")

    engines = {**ENGINES, "compiled": dataclasses.replace(ENGINES["compiled"], ready=fails)}
    request = CpuRequest(engines=["compiled", "eager"], effort=QUICK)
    found = measure_cpu_latency(Net(), LOW, request, clock=Watch, engines=engines)
    assert found["modes"][0]["failed"] == "ValueError: no such" and "single" in found["modes"][-1]


def test_without_a_compiler_the_record_says_so(monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr("benchmark_core.cost.engines.shutil.which", lambda name: None)
    found = measure_cpu_latency(Net(), LOW, CpuRequest(engines=["compiled"], effort=QUICK), clock=Watch)
    assert all("install g++" in mode["failed"] for mode in found["modes"])


def test_memory_of_the_compiler_itself_is_not_counted(monkeypatch):
    events = []

    def compile_(net, dynamic):
        return lambda clips: events.append("pass") or net(clips)

    class Noted(Watch):
        def __init__(self, weights=0):
            events.append("clock")
            super().__init__(weights)

    monkeypatch.setenv("CXX", "c++")
    monkeypatch.setattr(torch, "compile", compile_)
    measure_cpu_latency(Net(), LOW, CpuRequest(engines=["compiled"], effort=QUICK), clock=Noted)
    assert events[:2] == ["pass", "clock"]


def test_onnxruntime_in_both_precisions():
    for module in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(module)
    found = measure_cpu_latency(Net(), LOW, CpuRequest(engines=["onnxruntime", "int8"], effort=QUICK), clock=Watch)
    assert [(mode["engine"], mode["precision"], mode["threads"]) for mode in found["modes"]] == [
        ("onnxruntime", "fp32", 1),
        ("onnxruntime", "fp32", 2),
        ("onnxruntime", "int8", 1),
        ("onnxruntime", "int8", 2),
    ]
    assert all("single" in mode for mode in found["modes"]) and set(found["versions"]) >= {"onnxruntime"}


def test_a_network_without_weights_has_no_int8():
    pytest.importorskip("onnxruntime")
    with subject_of(torch.nn.ReLU().eval()) as subject, pytest.raises(ElrError, match="nothing to quantise"):
        subject.files.int8(LOW)


def test_the_peak_is_memory_above_what_was_there():
    clock = CpuClock(weights=1000)
    clock.restart_peak()
    held = mmap.mmap(-1, 16 << 20)  # new pages: an allocator may return memory that already counts
    held.write(b"1" * (16 << 20))
    peak = clock.peak()
    held.close()
    assert peak == 0 or 16 << 20 <= peak < 64 << 20  # 0: the system does not tell


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"engines": ["onnxruntim"]}, "unknown engine 'onnxruntim'. Did you mean 'onnxruntime'"),
        ({"engines": []}, "no engine is named"),
        ({"limit": 1.5}, "0 to 1"),
        ({"limit": float("nan")}, "0 to 1"),
    ],
)
def test_what_cannot_be_timed_is_refused(given, says):
    with pytest.raises(ElrError, match=says):
        CpuRequest(**given)


# -- records


def on_cpu(*modes, load=0.02):
    """Return the fields of a latency on two CPUs."""
    return {"unit": "ms", "threads": 2, "processor": "p", "load": load, "limit": 0.1, "versions": {}, "modes": [*modes]}


def mode(engine="eager", precision="fp32", threads=1, **more):
    return {"engine": engine, "precision": precision, "threads": threads, "load": 0.02, "single": ONE, **more}


def test_a_measured_record_keeps_the_schema_and_is_shown(monkeypatch):
    found = measure_cpu_latency(Net(), LOW, CpuRequest(engines=["eager"], effort=QUICK), clock=Watch)
    record = {**make_cost("net"), "cpu_latency": found}
    check_schema(json.loads(json.dumps(add_checksum(record))), CostRecord)
    shown = as_text({**record, "describe": {}})
    assert "eager, 1 thread " in shown and "eager, 2 threads" in shown and "at most 1.0 %" in shown
    assert single_on_cpu(record)["median"] == 2.0 and single_on_cpu(record, "onnxruntime") is None


def test_a_refused_record_is_not_written(tmp_path: Path):
    refused = {**make_cost("net"), "refused": "busy"}
    assert "- (busy)" in as_text(refused)
    with pytest.raises(RunFailed, match="busy"):
        write_cost(tmp_path, refused)
    assert not list(tmp_path.iterdir())


def test_cost_of_a_busy_machine_says_so(monkeypatch):
    def refuse(*given):
        raise BusyMachine(0.5, 0.1)

    monkeypatch.setattr(cpu_latency, "measure_cpu_latency", refuse)
    record = structure.cost_of(recognizer(), DESCRIBE, (12, 16), torch.device("cpu"), cpu=CpuRequest())
    assert "50 %" in record["refused"] and "cpu_latency" not in record
    assert record["device"].endswith(f"({len(usable_cpus())} threads)")


def test_a_record_stands_if_its_engines_were_timed(tmp_path: Path):
    expected = {**make_cost("net"), "plugins": {}}
    path = write_cost(tmp_path, {**make_cost("net"), "cpu_latency": on_cpu(mode(), mode("onnxruntime"))})
    assert already_measured(path, expected, [("eager", "fp32"), ("onnxruntime", "fp32")])
    assert not already_measured(path, expected, [("onnxruntime", "int8")])
    load = read_cost(path)["cpu_latency"]["load"]
    assert already_measured(path, expected, [("eager", "fp32")], load)
    assert not already_measured(path, expected, [("eager", "fp32")], load / 2)
    assert has_fewer_variants(path, make_cost("net"))
    bare = write_cost(tmp_path / "bare", make_cost("net"))
    assert already_measured(bare, expected) and not already_measured(bare, expected, [("eager", "fp32")])


def test_a_latency_takes_the_place_of_mere_counts(tmp_path: Path):
    """Same structure and counts on another CPU, without latency: one record is left. Others stay."""
    counted = write_cost(tmp_path, make_cost("net", device="cpu: old (1 threads)"))
    timed = write_cost(tmp_path, make_cost("net", device="cuda: G", ms=1.0))
    other = write_cost(tmp_path, make_cost("net2", device="cpu: old (1 threads)"))
    said: list[str] = []
    new = {**make_cost("net", device="cpu: new (2 threads)"), "cpu_latency": on_cpu(mode())}
    path = publish_cost(tmp_path, new, say=said.append)
    assert sorted(tmp_path.iterdir()) == sorted([path, timed, other])
    assert len(said) == 1 and str(counted) in said[0]
    assert read_cost(path)["cpu_latency"]["modes"][0]["single"] == ONE
    publish_cost(tmp_path, make_cost("net2", device="cpu: new (2 threads)"), say=said.append)
    assert other.exists() and len(said) == 1


def test_two_streams_add_up():
    one = {**make_cost("a"), "cpu_latency": on_cpu(mode(), mode("onnxruntime"), load=0.02)}
    two = {**make_cost("b"), "cpu_latency": on_cpu(mode(), mode("onnxruntime", failed="no"), load=0.05)}
    for each in (one, two):
        each["kinds"], each["extras"] = {}, {}
    del two["cpu_latency"]["modes"][1]["single"]
    found = sum_costs(DESCRIBE, [one, two])["cpu_latency"]
    assert found["modes"][0]["single"] == {"median": 4.0, "q1": 2.0, "q3": 6.0}
    assert found["modes"][1]["failed"] == "no" and found["load"] == 0.05
