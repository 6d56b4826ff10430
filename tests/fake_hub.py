"""A small server with the part of Hugging Face's API by which a client creates, fills and reads a repository."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_good"
READER = "hf_reader"  # a login that may not write
LICENCES = {"apache-2.0", "cc-by-nc-4.0", "mit", "other", "unknown"}
LARGE = re.compile(r".*\.(safetensors|onnx|gz)")


@dataclass
class Repository:
    """Commits, each a tree of files, and the branches and tags that name them."""

    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def commit(self, files: dict[str, bytes], message: str, branch: str = "main") -> str:
        oid = hashlib.sha1(f"{len(self.commits)}{sorted(files)}".encode()).hexdigest()
        self.commits[oid] = files
        self.refs[branch] = oid
        self.messages.append(message)
        return oid

    def tree(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        oid = self.refs.get(revision, revision)
        return (oid, self.commits[oid]) if oid in self.commits else None


class FakeHub:
    """Repositories by name. `fail`: paths (as patterns) that answer with a status and an error code."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.large: dict[str, bytes] = {}
        self.fail: dict[str, tuple[int, str]] = {}
        self.url = ""

    def files(self, name: str, revision: str = "main") -> dict[str, bytes]:
        found = self.repositories[name].tree(revision)
        assert found is not None
        return found[1]

    def change(self, name: str, **files: bytes | None) -> None:
        """Commit as its owner does on the website: `change("o/n", **{"README.md": b"…", "x.py": None})`."""
        tree = {**self.files(name), **{key: value for key, value in files.items() if value is not None}}
        for key, value in files.items():
            if value is None:
                del tree[key]
        self.repositories[name].commit(tree, "by hand")


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    # -- answers

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def json(self, plain: Any, status: int = 200) -> None:
        self.answer(status, json.dumps(plain).encode(), Content_Type="application/json")

    def refuse(self, status: int, code: str, text: str = "") -> None:
        headers = {"X_Error_Code": code} if code else {}
        self.answer(status, json.dumps({"error": text or code}).encode(), Content_Type="application/json", **headers)

    # -- requests

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    @property
    def token(self) -> str:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def handle_any(self) -> None:
        body = self.body()
        path = unquote(urlsplit(self.path).path)
        for pattern, (status, code) in self.hub.fail.items():
            if re.fullmatch(pattern, path):
                return self.refuse(status, code, "out of order")
        if self.token not in ("", TOKEN, READER):
            return self.answer(
                401, b'{"error": "Invalid credentials"}', X_Error_Message="Invalid credentials in Authorization header"
            )
        if self.command in ("POST", "PUT") and self.token != TOKEN and not path.startswith("/large/"):
            return self.refuse(403 if self.token == READER else 401, "", "no permission to write")
        for method, pattern, handler in ROUTES:
            if self.command in method and (found := re.fullmatch(pattern, path)):
                return handler(self, body, *found.groups())
        raise AssertionError(f"the fake has no {self.command} {path}")

    do_GET = do_HEAD = do_POST = do_PUT = handle_any  # noqa: N815 - names of http.server

    def seen(self, name: str) -> Repository | None:
        found = self.hub.repositories.get(name)
        if found is None or (found.private and not self.token):
            self.refuse(401 if not self.token else 404, "RepoNotFound")
            return None
        return found

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.hub.repositories:
            return self.refuse(409, "", "exists")
        made = self.hub.repositories[name] = Repository(private=asked.get("visibility", "private") == "private")
        made.commit({".gitattributes": b"*.onnx filter=lfs\n"}, "initial commit")
        self.json({"url": f"{self.hub.url}/{name}"})

    def validate(self, body: bytes) -> None:
        content = json.loads(body)["content"]
        fields = yaml.safe_load(content.split("---\n")[1])
        if fields["license"] not in LICENCES:
            return self.json({"errors": [{"message": f'"license" must be one of {sorted(LICENCES)}'}]}, 400)
        self.json({"errors": [], "warnings": []})

    def info(self, body: bytes, name: str, revision: str | None) -> None:
        if (found := self.seen(name)) is None:
            return
        tree = found.tree(revision or "main")
        if tree is None:
            return self.refuse(404, "RevisionNotFound")
        siblings = [{"rfilename": key, "size": len(value)} for key, value in tree[1].items()]
        self.json({"id": name, "sha": tree[0], "private": found.private, "tags": [], "siblings": siblings})

    def preupload(self, body: bytes, name: str, revision: str) -> None:
        if (found := self.seen(name)) is None:
            return
        if found.tree(revision) is None:
            return self.refuse(404, "RevisionNotFound")
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if LARGE.fullmatch(file["path"]) else "regular",
                "shouldIgnore": False,
            }
            for file in json.loads(body)["files"]
        ]
        self.json({"files": files})

    def batch(self, body: bytes, name: str) -> None:
        objects = [
            {**each, "actions": {"upload": {"href": f"{self.hub.url}/large/{each['oid']}"}}}
            for each in json.loads(body)["objects"]
        ]
        self.json({"transfer": "basic", "objects": objects})

    def keep(self, body: bytes, oid: str) -> None:
        assert hashlib.sha256(body).hexdigest() == oid
        self.hub.large[oid] = body
        self.answer(200)

    def commit(self, body: bytes, name: str, revision: str) -> None:
        if (found := self.seen(name)) is None:
            return
        header, *operations = [json.loads(line) for line in body.splitlines()]
        tree = found.tree(revision)
        assert tree is not None
        if header["value"].get("parentCommit", tree[0]) != tree[0]:
            return self.refuse(412, "", "a commit has happened since")
        files = dict(tree[1])
        for each in operations:
            value = each["value"]
            if each["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif each["key"] == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
            else:
                assert each["key"] == "deletedFile"
                del files[value["path"]]
        oid = found.commit(files, header["value"]["summary"], revision)
        self.json({"commitUrl": f"{self.hub.url}/{name}/commit/{oid}", "commitOid": oid})

    def resolve(self, body: bytes, name: str, revision: str, file: str) -> None:
        if (found := self.seen(name)) is None:
            return
        tree = found.tree(revision)
        if tree is None or file not in tree[1]:
            return self.refuse(404, "EntryNotFound" if tree else "RevisionNotFound")
        content = tree[1][file]
        headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X_Repo_Commit": tree[0]}
        self.answer(200, content, Content_Length=str(len(content)), **headers)


NAME = r"([\w.-]+/[\w.-]+)"
ROUTES = (
    (("POST",), "/api/repos/create", _Handler.create),
    (("POST",), "/api/validate-yaml", _Handler.validate),
    (("GET",), rf"/api/models/{NAME}(?:/revision/(.+))?", _Handler.info),
    (("POST",), rf"/api/models/{NAME}/preupload/(.+)", _Handler.preupload),
    (("POST",), rf"/{NAME}\.git/info/lfs/objects/batch", _Handler.batch),
    (("PUT",), r"/large/([0-9a-f]{64})", _Handler.keep),
    (("POST",), rf"/api/models/{NAME}/commit/(.+)", _Handler.commit),
    (("GET", "HEAD"), rf"/{NAME}/resolve/([^/]+)/(.+)", _Handler.resolve),
)


@contextmanager
def serve() -> Iterator[FakeHub]:
    """Run a server on a free port of this machine until the block ends."""
    hub = FakeHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
