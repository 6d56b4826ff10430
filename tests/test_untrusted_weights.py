"""Checkpoints from elsewhere: whatever the file holds, one line names the file, and the tensor if there is one."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import file_of, load, saved, small
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmark_core.cli import main
from benchmark_core.errors import ElrError

TERA = 10**12  # elements: 4 TB of float32


def refusal(file: Any) -> str:
    with pytest.raises(ElrError) as caught:
        load(small(1), file)
    text = str(caught.value)
    assert str(file.path) in text and "\n" not in text and len(text) < 500
    return text


def with_weight(value: Tensor, name: str = "mix.weight") -> dict[str, Tensor]:
    return {**small().state_dict(), name: value}


def weight() -> Tensor:
    return small().state_dict()["mix.weight"]


def archive(content: bytes, *, name: str = "data.pkl") -> bytes:
    """A checkpoint archive with `content` as its pickle."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as file:
        for entry, text in ((name, content), ("version", b"3\n"), ("byteorder", b"little")):
            file.writestr(f"archive/{entry}", text)
    return written.getvalue()


@pytest.mark.parametrize("wrapper", ["model", "state_dict"])
def test_a_checkpoint_that_contains_itself(tmp_path: Path, wrapper: str) -> None:
    plain: dict[str, Any] = {}
    plain[wrapper] = plain
    assert "no named tensors" in refusal(saved(tmp_path, plain))
    nested: list[Any] = []
    nested.append({wrapper: nested})
    assert "no named tensors" in refusal(saved(tmp_path, nested))


def test_a_state_in_a_thousand_wrappers(tmp_path: Path) -> None:
    plain: dict[str, Any] = {**small().state_dict()}
    for _ in range(300):
        plain = {"model": plain}
    assert "no named tensors" in refusal(saved(tmp_path, plain))


@pytest.mark.parametrize("whole", [True, False], ids=["archive", "before 1.6"])
def test_a_key_of_nested_tuples_does_not_crash_python(tmp_path: Path, whole: bool) -> None:
    content = b"\x80\x02})" + b"\x85" * 400_000 + b"K\x01s."
    path = tmp_path / "nested.pth"
    path.write_bytes(archive(content) if whole else content)
    code = """if True:
        import sys
        from pathlib import Path
        from benchmark_core.errors import ElrError
        from benchmark_core.networks.checkpoint import read_state
        from benchmark_core.weights_file import WeightsFile, digest_of_bytes

        path = Path(sys.argv[1])
        try:
            read_state(WeightsFile(path=path, digest=digest_of_bytes(path.read_bytes())))
        except ElrError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "400000 tuples" in done.stdout  # a crash of the interpreter has no exception


ODD: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "sparse": (lambda weight: weight.to_sparse(), "is sparse"),
    "compressed": (lambda weight: torch.eye(5).to_sparse_csr(), "is sparse"),
    "nested": (lambda weight: torch.nested.as_nested_tensor([torch.zeros(2), torch.zeros(3)]), "nested"),
    "quantised": (lambda weight: torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8), "quantised"),
    "meta": (lambda weight: weight.to("meta"), "no values"),
    "complex": (lambda weight: weight.to(torch.complex64), "complex64"),
    "float8": (lambda weight: weight.to(torch.float8_e4m3fn), "float8_e4m3fn"),
    "uint16": (lambda weight: weight.to(torch.uint16), "uint16"),
    "expanded": (lambda weight: torch.zeros(1).expand(weight.shape), "only 4 bytes"),
    "4 TB": (lambda weight: torch.zeros(1).expand(TERA), "only 4 bytes"),
}


@pytest.mark.filterwarnings("ignore")  # of torch, about layouts in beta
@pytest.mark.parametrize("kind", ODD)
def test_a_tensor_that_is_no_weight_is_named(tmp_path: Path, kind: str) -> None:
    make, words = ODD[kind]
    text = refusal(saved(tmp_path, with_weight(make(weight()))))
    assert "'mix.weight'" in text and words in text


@pytest.mark.parametrize("shape", [(6, TERA, 3, 3), (TERA, 3, 3, 3)])
def test_a_first_convolution_of_many_terabytes_is_not_averaged(tmp_path: Path, shape: tuple[int, ...]) -> None:
    text = refusal(saved(tmp_path, with_weight(torch.zeros(1).expand(shape), "stem.weight")))
    assert "'stem.weight'" in text and "only 4 bytes" in text


@pytest.mark.parametrize("name", ["public.pth", "public.safetensors"])
@pytest.mark.parametrize("kind", [torch.int32, torch.int64, torch.bool, torch.uint8])
def test_whole_numbers_and_booleans_are_no_weights(tmp_path: Path, name: str, kind: torch.dtype) -> None:
    text = refusal(saved(tmp_path, with_weight(weight().to(kind)), name))
    assert "mix.weight" in text and str(kind) in text


def test_a_first_convolution_of_whole_numbers_is_not_adapted(tmp_path: Path) -> None:
    assert "stem.weight" in refusal(
        saved(tmp_path, with_weight(torch.zeros(6, 5, 3, 3, dtype=torch.int64), "stem.weight"))
    )


@pytest.mark.parametrize("kind", [torch.int32, torch.int64, torch.float32])
def test_counts_of_batches_may_have_any_type(tmp_path: Path, kind: torch.dtype) -> None:
    counts = with_weight(torch.tensor(7, dtype=kind), "bn.num_batches_tracked")
    assert load(small(1), saved(tmp_path, counts)) == "11 of 11 tensors"


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_are_taken(tmp_path: Path, kind: torch.dtype) -> None:
    assert load(small(1), saved(tmp_path, with_weight(weight().to(kind)))) == "11 of 11 tensors"


def test_attributes_that_a_file_sets_on_a_parameter_are_dropped(tmp_path: Path) -> None:
    odd = nn.Parameter(weight().clone())
    odd.is_floating_point = odd.isfinite = "not a function"  # type: ignore[assignment, method-assign]
    assert load(small(1), saved(tmp_path, with_weight(odd))) == "11 of 11 tensors"


def test_an_archive_that_unpacks_to_more_than_its_size(tmp_path: Path) -> None:
    plain = io.BytesIO()
    torch.save(with_weight(torch.zeros(1000, 1000)), plain)
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        for entry in source.namelist():
            bomb.writestr(entry, source.read(entry))
    assert path.stat().st_size < 100_000
    assert "unpacks to more than its" in refusal(file_of(path))


def test_tensors_whose_storage_is_shorter_than_their_shape(tmp_path: Path) -> None:
    plain = io.BytesIO()
    torch.save(small().state_dict(), plain)
    path = tmp_path / "short.pt"
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, "w") as short:
        for entry in source.namelist():
            short.writestr(entry, source.read(entry)[: 8 if entry.endswith("/data/0") else None])
    assert "damaged" in refusal(file_of(path))


LIES: dict[str, dict[str, Any]] = {
    "longer than the file": {"shape": [5, 6, 1, 1], "data_offsets": [0, TERA]},
    "another shape": {"shape": [TERA]},
    "too large a product": {"shape": [2**62, 2**62]},
    "negative": {"shape": [-1]},
    "another's bytes": {"data_offsets": [0, 120]},
    "unknown type": {"dtype": "Q4"},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_safetensors_header_that_lies(tmp_path: Path, lie: str) -> None:
    path = tmp_path / "lie.safetensors"
    save_file(small().state_dict(), path)
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    header["mix.weight"] |= LIES[lie]
    packed = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(packed)) + packed + content[8 + length :])
    assert "damaged" in refusal(file_of(path))


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 10**7])
def test_a_safetensors_header_longer_than_the_file(tmp_path: Path, length: int) -> None:
    path = tmp_path / "long.safetensors"
    path.write_bytes(struct.pack("<Q", length) + b"{}")
    assert "damaged" in refusal(file_of(path))


def test_weights_that_are_a_fifo_do_not_block(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pipe.pt"
    os.mkfifo(path)
    with pytest.raises(SystemExit) as stopped:
        main(["run", "--method", "supervised", "--dataset", "puppets", "--budget", "smoke", "--weights", str(path)])
    err = capsys.readouterr().err
    assert stopped.value.code == 2 and f"{path} is a FIFO" in err and err.count("\n") == 1
