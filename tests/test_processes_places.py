"""Where each of several processes is: ranks, hosts, and what a worker is given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from frozen_runs import frozen_catalog, planned

from benchmark_core.catalog import Catalog
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.places import Place, first_host, place_in
from benchmark_core.runs.requests import read_request, request_of
from benchmark_core.runs.workers import worker_environment
from elrbench import ElrError

__all__ = ["frozen_catalog"]  # fixtures


def test_places_by_torchrun_and_srun() -> None:
    torchrun = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "a", "MASTER_PORT": "1"}
    assert place_in(torchrun, 4) == Place(rank=3, size=4, local=1)
    for processes in (0, 2):
        with pytest.raises(ElrError, match="torchrun started 4 processes, .*; pass --processes 4"):
            place_in(torchrun, processes)
    assert place_in({"RANK": "0", "WORLD_SIZE": "1"}, 2) is None  # this process starts the two
    srun = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "2", "SLURM_LOCALID": "0", "SLURM_JOB_ID": "77",
            "SLURM_STEP_ID": "1", "SLURM_STEP_NODELIST": "gpu[03,05-07],cpu1"}  # fmt: skip
    assert place_in(srun, 4) == Place(rank=2, size=4, local=0, where="tcp://gpu03:15540")
    assert place_in({**srun, "MASTER_ADDR": "b", "MASTER_PORT": "9"}, 4) == Place(
        rank=2, size=4, local=0, where="tcp://b:9"
    )
    assert place_in(srun, 0) is None  # four runs of their own
    with pytest.raises(ElrError, match="srun started 4 processes"):
        place_in(srun, 2)
    assert place_in({**srun, "SLURM_STEP_NUM_TASKS": "1"}, 2) is None
    assert place_in({}, 2) is None


@pytest.mark.parametrize(
    ("nodes", "host"), [("gpu[03,05-07],cpu1", "gpu03"), ("node7", "node7"), ("a,b", "a"), ("n[1-2]-ib", "n1-ib")]
)
def test_the_first_host_of_a_list_of_nodes(nodes: str, host: str) -> None:
    assert first_host(nodes) == host


def test_the_environment_of_a_worker() -> None:
    cpu = worker_environment({"OMP_NUM_THREADS": "3"}, 1, 2, 4711, "cpu")
    assert (cpu["RANK"], cpu["LOCAL_RANK"], cpu["WORLD_SIZE"], cpu["MASTER_PORT"]) == ("1", "1", "2", "4711")
    assert cpu["OMP_NUM_THREADS"] == "3" and "CUDA_VISIBLE_DEVICES" not in cpu
    assert worker_environment({}, 1, 2, 1, "cpu")["OMP_NUM_THREADS"] == str(max(1, torch.get_num_threads() // 2))
    assert worker_environment({}, 1, 2, 1, "cuda")["CUDA_VISIBLE_DEVICES"] == "1"
    assert worker_environment({"CUDA_VISIBLE_DEVICES": "4,6"}, 1, 2, 1, "cuda")["CUDA_VISIBLE_DEVICES"] == "6"


def test_a_request_survives_its_way_to_a_worker(frozen_catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    catalog, _ = frozen_catalog.with_folder(f"videos:{tmp_path / 'videos'}")
    plan = planned(frozen_catalog, processes="2")
    context = RunContext(out=tmp_path / "out", cache=tmp_path / "cache", bad_clips="skip", device="cpu", refit=True)
    there, found, other = read_request(json.loads(json.dumps(request_of(plan, catalog, context))))
    assert there == plan and found.folders == catalog.folders and set(found.methods) == set(catalog.methods)
    assert (other.out, other.cache, other.data, other.bad_clips, other.device, other.refit) == (
        context.out, context.cache, None, "skip", "cpu", True,
    )  # fmt: skip
