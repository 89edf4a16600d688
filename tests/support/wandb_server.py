"""A small server on loopback that speaks as much of W&B's protocol as publishing needs, and can misbehave.

It keeps what a real one keeps: runs with their history (lines that are written at an offset), summary and
config, files by name, and artifacts by the digest of their content: equal content makes no new version.
"""

from __future__ import annotations

import copy
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

KEY = "0123456789abcdef" * 2 + "01234567"
"""Of forty characters, as the client wants it; no server knows it."""
ENTITY = "somebody"
PATIENCE = "100"
"""Seconds that an upload may take on a busy machine."""


class Store:
    """What was received."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        """By "entity/project/id"."""
        self.artifacts: dict[str, dict[str, Any]] = {}
        """By id, which counts up."""

    def run(self, path: str) -> dict[str, Any]:
        fresh: dict[str, Any] = {
            "history": {}, "files": {}, "announced": {}, "config": {}, "summary": {}, "complete": False,
        }  # fmt: skip
        return self.runs.setdefault(path, fresh)

    def rows(self, path: str) -> list[dict[str, Any]]:
        """The history without what the SDK measures of itself."""
        lines = self.runs[path]["history"]
        assert [*sorted(lines)] == [*range(len(lines))], "rows are missing"
        return [_own(json.loads(lines[place])) for place in sorted(lines)]

    def everything(self, *, but_runtime: bool = False) -> dict[str, Any]:
        """A copy to compare with; without the seconds that the SDK itself took, if so wished."""
        found = copy.deepcopy({"runs": self.runs, "artifacts": self.artifacts})
        if but_runtime:
            for path, run in found["runs"].items():
                run["history"] = self.rows(path)
                run["summary"] = _own(run["summary"])
                run["summary"].pop("_step", None)
                for name in ("wandb-summary.json", "config.yaml"):  # held above, but for the SDK's own notes
                    run["files"].pop(name, None)
        return found


def _own(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("_runtime", "_wandb")}


class Server(ThreadingHTTPServer):
    """Listens on a free port of 127.0.0.1.

    Args:
        port: to come back on after a death.
        store: to go on with.
        patience: requests that are answered as they should be; the next ones meet with `then`.
        then: "die" (connections break off, and nobody listens any more), "hang" or "refuse" (401).
        swallows: die when rows have been taken, before that is acknowledged.
        loses: the end of the names of those files that are not stored; all else is taken.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self,
        *,
        port: int = 0,
        store: Store | None = None,
        patience: int | None = None,
        then: str = "die",
        swallows: bool = False,
        loses: str | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.port = int(self.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.store = store or Store()
        self.requests: list[str] = []
        """Of each request, what it was."""
        self.received: list[bytes] = []
        """Of each request, its line, its headers and its body, as they came."""
        self.swallows, self.loses = swallows, loses
        self._patience, self._then = patience, then
        self._released = threading.Event()
        self._guard = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed break connections; no word of it."""

    def verdict(self, what: str) -> str:
        """How a request is answered: "answer", "hang", "refuse" or "die"."""
        with self._guard:
            if self._patience is not None and len(self.requests) >= self._patience:
                return self._then
            self.requests.append(what)
            return "answer"

    def hang(self) -> None:
        self._released.wait(60)

    def stop(self) -> None:
        self._released.set()
        self.shutdown()
        self.server_close()


@contextmanager
def serving(**options: Any) -> Iterator[Server]:
    """A server at work until the block is left."""
    server = Server(**options)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer("HEAD", b"")

    def do_GET(self) -> None:
        self._answer("GET", b"")

    def do_POST(self) -> None:
        self._answer("POST", self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def do_PUT(self) -> None:
        self.do_POST()

    def _answer(self, method: str, body: bytes) -> None:
        self.server.received.append(f"{self.requestline}\n{self.headers}\n".encode() + body)
        asked = json.loads(body) if self.path == "/graphql" else {}
        if asked and not asked.get("operationName"):  # some calls name themselves in their text alone
            asked["operationName"] = re.findall(r"(?:query|mutation) (\w+)", asked["query"])[0]
        what = asked.get("operationName") or self.path.rpartition("/")[2]
        match self.server.verdict(f"{method} {what}"):
            case "hang":
                self.server.hang()
                self.close_connection = True
            case "die":
                self.close_connection = True
                threading.Thread(target=self._die, daemon=True).start()
            case "refuse":
                self._send(401, {"error": "user is not logged in"})
            case _ if self.command == "PUT" and self.server.loses and self.path.endswith(self.server.loses):
                self._send(400, {"error": "not stored"})
            case _:
                reply = self._reply(asked, body)
                if self.server.swallows and b"wandb-history" in body:
                    self.close_connection = True
                    threading.Thread(target=self._die, daemon=True).start()
                else:
                    self._send(200, reply)

    def _die(self) -> None:
        with suppress(OSError):
            self.server.stop()

    def _send(self, status: int, reply: Any) -> None:
        body = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _reply(self, asked: dict[str, Any], body: bytes) -> Any:
        if self.path == "/graphql":
            operation = getattr(self, f"_{asked['operationName']}", None)
            assert operation is not None, f"a call that is new to this server: {asked['operationName']}"
            with self.server._guard:
                return {"data": operation(asked.get("variables") or {})}
        if self.path.endswith("/file_stream"):
            with self.server._guard:
                self._stream(json.loads(body))
        elif self.path.startswith("/store/"):
            with self.server._guard:
                self._keep(self.path.removeprefix("/store/"), body)
        return {}

    # --------------------------------------------------------------------------------------- runs and files
    def _stream(self, sent: dict[str, Any]) -> None:
        _, _, entity, project, name, _ = self.path.split("/")
        run = self.server.store.run(f"{entity}/{project}/{name}")
        for file, chunk in sent.get("files", {}).items():
            if file == "wandb-history.jsonl":
                run["history"] |= {chunk["offset"] + i: line for i, line in enumerate(chunk["content"])}
            elif file == "wandb-summary.json":
                run["summary"] = json.loads(chunk["content"][-1])
        if sent.get("complete"):
            run["complete"], run["exitcode"] = True, sent["exitcode"]

    def _keep(self, place: str, body: bytes) -> None:
        kind, owner, name = place.split("/", 2)
        if kind == "run":
            self.server.store.run(owner.replace("~", "/"))["files"][name] = body.decode("latin-1")
        elif name == "wandb_manifest.json":
            self.server.store.artifacts[owner]["manifest"] = json.loads(body)
        else:
            self.server.store.artifacts[owner]["files"][name] = body.decode("latin-1")

    def _UpsertBucket(self, given: dict[str, Any]) -> Any:
        entity = given.get("entity") or ENTITY
        run = self.server.store.run(f"{entity}/{given['project']}/{given['name']}")
        known = {"groupName": "group", "jobType": "job_type", "displayName": "name", "tags": "tags"}
        run |= {ours: given[theirs] for theirs, ours in known.items() if given.get(theirs) is not None}
        if given.get("config") is not None:
            held = json.loads(given["config"])
            run["config"] = {key: value["value"] for key, value in held.items() if key != "_wandb"}
        project = {"id": "p", "name": given["project"], "entity": {"id": "e", "name": entity}}
        bucket = {
            "id": "b", "name": given["name"], "displayName": run.get("name"), "description": None,
            "config": given.get("config"), "sweepName": None, "project": project,
            "historyLineCount": len(run["history"]),
        }  # fmt: skip
        return {"upsertBucket": {"bucket": bucket, "inserted": True}}

    def _RunResumeStatus(self, given: dict[str, Any]) -> Any:
        entity = given.get("entity") or ENTITY
        run = self.server.store.runs.get(f"{entity}/{given['project']}/{given['name']}")
        if run is None:
            return {"model": None}
        history = [run["history"][place] for place in sorted(run["history"])]
        config = {key: {"value": value} for key, value in run["config"].items()}
        bucket = {
            "id": "b", "name": given["name"], "displayName": run.get("name"), "notes": None,
            "summaryMetrics": json.dumps(run["summary"]), "config": json.dumps(config),
            "wandbConfig": '{"t": 1}',
            "tags": run.get("tags", []), "historyLineCount": len(history), "logLineCount": 0,
            "eventsLineCount": 0, "historyTail": json.dumps(history[-1:]), "eventsTail": "[]",
        }  # fmt: skip
        found = {"id": "p", "name": given["project"], "entity": {"id": "e", "name": entity}, "bucket": bucket}
        return {"model": found}

    def _Viewer(self, _: dict[str, Any]) -> Any:
        viewer = {"id": "u", "entity": ENTITY, "username": ENTITY, "email": "", "flags": "{}"}
        return {"viewer": {**viewer, "teams": {"edges": []}}}

    def _GetDefaultEntity(self, _: dict[str, Any]) -> Any:
        return {"viewer": {"id": "u", "entity": ENTITY}}

    def _ServerFeaturesQuery(self, _: dict[str, Any]) -> Any:
        return {"serverInfo": {"features": []}}

    def _Run(self, given: dict[str, Any]) -> Any:
        held = self._RunResumeStatus(given)["model"]["bucket"]
        user = {"name": ENTITY, "username": ENTITY}
        fields = ("id", "name", "displayName", "tags", "config", "summaryMetrics", "historyLineCount")
        run = {name: held[name] for name in fields} | {
            "state": "running", "user": user, "projectId": "1", "systemMetrics": "{}", "historyKeys": {},
            "readOnly": False, "createdAt": "2025-01-01T00:00:00", "heartbeatAt": "2025-01-01T00:00:00",
        }  # fmt: skip
        return {"project": {"run": run}}

    def _RunFiles(self, given: dict[str, Any]) -> Any:
        """Files that were announced; those that never came have no bytes."""
        run = self.server.store.runs[f"{given['entity']}/{given['project']}/{given['name']}"]
        sizes = dict.fromkeys(run["announced"], 0) | {name: len(text) for name, text in run["files"].items()}
        edges = [
            {"node": {"id": name, "name": name, "sizeBytes": size, "url": "", "md5": ""}, "cursor": name}
            for name, size in sizes.items()
            if not given["fileNames"] or name in given["fileNames"]
        ]
        found = {"edges": edges, "pageInfo": {"endCursor": None, "hasNextPage": False}}
        return {"project": {"internalId": "1", "run": {"fileCount": len(edges), "files": found}}}

    def _CreateRunFiles(self, given: dict[str, Any]) -> Any:
        owner = f"{given['entity']}~{given['project']}~{given['run']}"
        self.server.store.run(owner.replace("~", "/"))["announced"] |= dict.fromkeys(given["files"])
        files = [
            {"name": name, "uploadUrl": f"{self.server.url}/store/run/{owner}/{name}"}
            for name in given["files"]
        ]
        return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}

    # ------------------------------------------------------------------------------------------- artifacts
    def _ArtifactType(self, given: dict[str, Any]) -> Any:
        known = (a for a in self.server.store.artifacts.values() if a["done"])
        types = {f"{a['name']}:latest": {"artifactType": {"name": a["type"]}} for a in known}
        return {"project": {"artifact": types.get(given["name"])}}

    def _CreateArtifact(self, given: dict[str, Any]) -> Any:
        sent, held = given["input"], self.server.store.artifacts
        name, digest = sent["artifactCollectionName"], sent["digest"]
        same = [key for key, a in held.items() if (a["name"], a["digest"]) == (name, digest)]
        number = same[0] if same else f"A{len(held)}"
        fresh = {"name": name, "digest": digest, "type": sent["artifactTypeName"], "files": {}, "done": False}
        made = held.setdefault(number, fresh)
        reply = {
            "id": number,
            "state": "COMMITTED" if made["done"] else "PENDING",
            "artifactSequence": {"latestArtifact": None},
        }
        return {"createArtifact": {"artifact": reply}}

    def _CreateArtifactManifest(self, given: dict[str, Any]) -> Any:
        number = given["artifactID"]
        url = f"{self.server.url}/store/artifact/{number}/wandb_manifest.json"
        file = {"id": "f", "uploadUrl": url, "uploadHeaders": []}
        return {"createArtifactManifest": {"artifactManifest": {"id": f"M-{number}", "file": file}}}

    def _CreateArtifactFiles(self, given: dict[str, Any]) -> Any:
        edges = [
            {
                "node": {
                    "storagePath": file["name"],
                    "uploadUrl": f"{self.server.url}/store/artifact/{file['artifactID']}/{file['name']}",
                    "uploadHeaders": [],
                    "uploadMultipartUrls": None,
                    "artifact": {"id": file["artifactID"]},
                }
            }
            for file in given["input"]["artifactFiles"]
        ]
        return {"createArtifactFiles": {"files": {"edges": edges}}}

    def _CommitArtifact(self, given: dict[str, Any]) -> Any:
        made = self.server.store.artifacts[given["artifactID"]]
        made["done"] = True
        return {"commitArtifact": {"artifact": {"id": given["artifactID"], "digest": made["digest"]}}}


def point_to(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the client send to that server."""
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    monkeypatch.setenv("WANDB_API_KEY", KEY)


def assert_tells_nothing(server: Server, *folders: Path) -> None:
    """Nothing that the server received, headers and files too, names one of these folders or our home."""
    words = [*map(str, folders), str(Path.home()), str(Path.cwd())]
    assert server.received
    for request in server.received:
        assert b"Content-Encoding" not in request, "packed: no word could be found"
        assert not [word for word in words if word.encode() in request], request[:2000]


def only(server: Server) -> tuple[str, dict[str, Any]]:
    """The one run that it holds, and its path."""
    ((path, run),) = server.store.runs.items()
    return path, run
