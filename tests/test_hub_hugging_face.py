"""`elrbench hub` with Hugging Face: the client library talks to a server on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from exported import Call, caller, refused
from fake_hub import READER, TOKEN, FakeHub, serve
from shared_models import toy_run, tree

from benchmark_core.catalog import Catalog
from benchmark_core.records.record import find_record, read_record
from elrbench_plugins.commands.hub import hugging_face
from elrbench_plugins.commands.hub.manifest import CARD, MANIFEST
from elrbench_plugins.commands.hub.model_files import WEIGHTS

huggingface_hub = pytest.importorskip("huggingface_hub", reason="the extra 'hub' is not installed")
# The client's upload without Xet, which the server does not have, calls its HTTP library in a deprecated way.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
FREE = ("--license", "mit")


@pytest.fixture(scope="module")
def runs(toy_catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs that differ in their seed."""
    folder = tmp_path_factory.mktemp("hub")
    return toy_run(toy_catalog, folder), toy_run(toy_catalog, folder, seed=1)


@pytest.fixture
def call(toy_catalog: Catalog, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    return caller(toy_catalog, capsys, monkeypatch)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    """The server, and a client that is logged in there."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf-cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with serve() as server:
        log_in(monkeypatch, server, TOKEN)
        yield server
    huggingface_hub.utils.close_session()


def log_in(monkeypatch: pytest.MonkeyPatch, hub: FakeHub, token: str | None) -> None:
    monkeypatch.setattr(
        hugging_face, "client", lambda: huggingface_hub.HfApi(endpoint=hub.url, token=token, library_name="elrbench")
    )


def test_a_run_goes_there_and_back(hub: FakeHub, runs: tuple[Path, Path], call: Call, tmp_path: Path) -> None:
    code, out, said = call("hub", "push", runs[0], "hf://ada/toy", *FREE, "--json")
    assert code == 0, said
    pushed = json.loads(out)
    made = hub.repositories["ada/toy"]
    digest = read_record(find_record(runs[0]))["digest"]
    assert made.private and len(made.commits) == 2 and pushed["revision"] == made.refs["main"]
    assert set(hub.files("ada/toy")) == {".gitattributes", MANIFEST, *pushed["files"]}
    assert digest in made.messages[-1] and hub.files("ada/toy")[WEIGHTS] == (runs[0] / WEIGHTS).read_bytes()
    assert "elrbench hub pull hf://ada/toy --out model" in hub.files("ada/toy")[CARD].decode()
    code, out, said = call("hub", "pull", "hf://ada/toy", "--out", tmp_path / "model", "--json")
    assert code == 0, said
    assert json.loads(out)["revision"] == pushed["revision"]
    found = tree(tmp_path / "model")
    assert found == {name: content for name, content in hub.files("ada/toy").items() if name != ".gitattributes"}
    assert "%" not in said and {path.name for path in tmp_path.iterdir()} == {"model"}  # no bars, nothing left over


def test_public_message_and_branch(hub: FakeHub, runs: tuple[Path, Path], call: Call, tmp_path: Path) -> None:
    assert call("hub", "push", runs[0], "hf://ada/toy", *FREE, "--public", "--message", "first")[0] == 0
    made = hub.repositories["ada/toy"]
    assert not made.private and made.messages[-1] == "first"
    made.refs["v2"] = made.refs["main"]
    assert "already holds another model" in refused(call("hub", "push", runs[1], "hf://ada/toy@v2", *FREE, "--public"))
    code, out, _ = call("hub", "push", runs[1], "hf://ada/toy@v2", *FREE, "--public", "--replace", "--json")
    assert code == 0 and json.loads(out)["revision"] == made.refs["v2"] != made.refs["main"]
    for revision, run in (("v2", runs[1]), ("main", runs[0]), (made.refs["v2"], runs[1])):
        assert call("hub", "pull", f"hf://ada/toy@{revision}", "--out", tmp_path / revision)[0] == 0
        assert (tmp_path / revision / WEIGHTS).read_bytes() == (run / WEIGHTS).read_bytes()
    assert len([name for name in hub.files("ada/toy", "v2") if name.startswith("supervised-")]) == 2


def test_the_same_again_makes_no_commit(hub: FakeHub, runs: tuple[Path, Path], call: Call) -> None:
    for _ in range(2):
        code, out, _ = call("hub", "push", runs[0], "hf://ada/toy", *FREE)
        assert code == 0
    assert "already holds this model" in out and len(hub.repositories["ada/toy"].commits) == 2


def test_visibility_is_never_a_surprise(hub: FakeHub, runs: tuple[Path, Path], call: Call) -> None:
    call("hub", "push", runs[0], "hf://ada/open", *FREE, "--public")
    call("hub", "push", runs[0], "hf://ada/closed", *FREE)
    assert "is public; pass --public" in refused(call("hub", "push", runs[0], "hf://ada/open", *FREE))
    assert "is private; remove --public" in refused(call("hub", "push", runs[0], "hf://ada/closed", *FREE, "--public"))


def test_without_a_login(
    hub: FakeHub, runs: tuple[Path, Path], call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("hub", "push", runs[0], "hf://ada/open", *FREE, "--public")
    call("hub", "push", runs[0], "hf://ada/closed", *FREE)
    log_in(monkeypatch, hub, None)
    text = refused(call("hub", "push", runs[0], "hf://ada/new", *FREE))
    assert "no login for Hugging Face" in text and "hf auth login" in text and "ada/new" not in hub.repositories
    assert call("hub", "pull", "hf://ada/open", "--out", tmp_path / "open")[0] == 0
    text = refused(call("hub", "pull", "hf://ada/closed", "--out", tmp_path / "closed"))
    assert "hf://ada/closed does not exist, or this login may not see it" in text and "hf auth login" in text


@pytest.mark.parametrize(
    ("token", "words"), [("hf_wrong", "does not accept the login"), (READER, "may not write there; use a token")]
)
def test_a_login_that_does_not_suffice(
    hub: FakeHub, runs: tuple[Path, Path], call: Call, monkeypatch: pytest.MonkeyPatch, token: str, words: str
) -> None:
    log_in(monkeypatch, hub, token)
    assert words in refused(call("hub", "push", runs[0], "hf://ada/toy", *FREE))
    assert not hub.repositories


def test_what_does_not_exist(hub: FakeHub, runs: tuple[Path, Path], call: Call, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "model")
    assert "hf://ada/none does not exist" in refused(call("hub", "pull", "hf://ada/none", *out))
    assert "has no revision 'v1'" in refused(call("hub", "push", runs[0], "hf://ada/toy@v1", *FREE))
    call("hub", "push", runs[0], "hf://ada/toy", *FREE)
    assert "there is no revision 'v1'" in refused(call("hub", "pull", "hf://ada/toy@v1", *out))
    assert "there is no revision 'v1'" in refused(call("hub", "push", runs[0], "hf://ada/toy@v1", *FREE))
    assert list(hub.repositories) == ["ada/toy"] and not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    "name", ["hf://toy", "hf://a/b/c", "hf://a/b@", "hf://../b", "hf://a/--b", "hf://a/b c", "hf://"]
)
def test_a_name_that_is_none(hub: FakeHub, call: Call, tmp_path: Path, name: str) -> None:
    text = refused(call("hub", "pull", name, "--out", tmp_path / "model"))
    assert "hf://OWNER/NAME" in text


def test_files_that_others_add_or_change(hub: FakeHub, runs: tuple[Path, Path], call: Call, tmp_path: Path) -> None:
    call("hub", "push", runs[0], "hf://ada/toy", *FREE)
    hub.change("ada/toy", **{"modeling.py": b"import os"})
    text = refused(call("hub", "pull", "hf://ada/toy", "--out", tmp_path / "model"))
    assert "'modeling.py'" in text and "may contain code" in text
    assert "'modeling.py'" in refused(call("hub", "push", runs[0], "hf://ada/toy", *FREE, "--replace"))
    weights = bytearray(hub.files("ada/toy")[WEIGHTS])
    weights[-1] ^= 1
    hub.change("ada/toy", **{"modeling.py": None, WEIGHTS: bytes(weights)})
    assert "another sha256" in refused(call("hub", "pull", "hf://ada/toy", "--out", tmp_path / "model"))
    assert {path.name for path in tmp_path.iterdir()} <= {"hf-cache"}


def test_an_upload_that_fails_leaves_no_commit(
    hub: FakeHub, runs: tuple[Path, Path], call: Call, tmp_path: Path
) -> None:
    hub.fail = {r"/api/models/.*/commit/.*": (500, "")}
    text = refused(call("hub", "push", runs[0], "hf://ada/toy", *FREE), 1)
    assert "status 500" in text and set(hub.files("ada/toy")) == {".gitattributes"}
    assert f"has no {MANIFEST}" in refused(call("hub", "pull", "hf://ada/toy", "--out", tmp_path / "model"))
    hub.fail = {}
    assert call("hub", "push", runs[0], "hf://ada/toy", *FREE)[0] == 0


def test_a_repository_whose_terms_were_not_accepted(
    hub: FakeHub, runs: tuple[Path, Path], call: Call, tmp_path: Path
) -> None:
    hub.fail = {r"/api/models/ada/toy.*": (403, "GatedRepo")}
    text = refused(call("hub", "pull", "hf://ada/toy", "--out", tmp_path / "model"))
    assert "hf://ada/toy is gated: accept its terms" in text
    assert "is gated" in refused(call("hub", "push", runs[0], "hf://ada/toy", *FREE))


def test_a_push_of_somebody_else_in_between(
    hub: FakeHub, runs: tuple[Path, Path], call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("hub", "push", runs[0], "hf://ada/toy", *FREE)
    real = hugging_face.Repository.publish

    def late(self: hugging_face.Repository, *rest: object) -> str:
        hub.change("ada/toy", **{CARD: b"---\nlicense: mit\n---\n"})
        return real(self, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(hugging_face.Repository, "publish", late)
    text = refused(call("hub", "push", runs[1], "hf://ada/toy", *FREE, "--replace"), 1)
    assert "was changed in the meantime" in text


def test_a_licence_that_the_hub_does_not_know(hub: FakeHub, runs: tuple[Path, Path], call: Call) -> None:
    text = refused(call("hub", "push", runs[0], "hf://ada/toy", "--license", "my-own"), 1)
    assert "license" in text and "must be one of" in text


def test_a_server_that_cannot_be_reached(
    runs: tuple[Path, Path], call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = FakeHub()
    server.url = "http://127.0.0.1:9"  # nothing listens there
    log_in(monkeypatch, server, TOKEN)
    text = refused(call("hub", "pull", "hf://ada/toy", "--out", tmp_path / "model"), 1)
    assert "hf://ada/toy cannot be reached" in text


def test_without_the_extra(runs: tuple[Path, Path], call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    text = refused(call("hub", "push", runs[0], "hf://ada/toy", *FREE))
    assert "the extra 'hub'" in text and "huggingface_hub" in text
