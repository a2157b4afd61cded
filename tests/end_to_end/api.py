"""The server's own API, asked directly: what stands there is judged by its answers, not by the tool's."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx
from end_to_end.tool import wait_for
from end_to_end.watch import BLOCKS, WATCH

TERMINAL: Final = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})

TIMEOUT: Final = 60.0
"""Seconds for one request."""


class Api:
    """A server's API."""

    def __init__(self, url: str, home: Path, *, auth: tuple[str, str] | None = None) -> None:
        """`home` is the folder that the server keeps its log in."""
        self.url = url
        self.home = home
        if auth is not None:
            WATCH.add("the server's password", auth[1])
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT, trust_env=False, auth=auth)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, path: str) -> Any:
        return self._ask("GET", path)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._ask("POST", path, body)

    def patch(self, path: str, body: Mapping[str, Any]) -> None:
        self._ask("PATCH", path, body)

    def delete(self, path: str) -> None:
        """Delete, as somebody in the UI would."""
        self._ask("DELETE", path)

    def variables(self) -> dict[str, Any]:
        """The variables: name to value."""
        return {row["name"]: row["value"] for row in self.post("/variables/filter", {"limit": 200})}

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer. While SQLite is busy the server says so with 503, and has done nothing."""
        response = self._answer(method, path, body)
        deadline = time.monotonic() + 20
        while response.status_code == httpx.codes.SERVICE_UNAVAILABLE and time.monotonic() < deadline:
            time.sleep(0.5)
            response = self._answer(method, path, body)
        assert response.is_success, f"{response.request.url}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    def _answer(self, method: str, path: str, body: Mapping[str, Any] | None) -> httpx.Response:
        """One request; what only reads is asked again: a server that starts runs on a busy machine can lose one."""
        is_read = method == "GET" or path.endswith(("/filter", "/count"))
        for _ in range(2 if is_read else 0):
            try:
                return self._client.request(method, path, json=body)
            except httpx.TimeoutException:
                continue
        return self._client.request(method, path, json=body, timeout=2 * TIMEOUT)

    # What is made beside the tool

    def make_secret(self, name: str, value: str) -> None:
        WATCH.add(f"the Secret {name}", value, to_workers=True)
        self._make_block("secret", name, {"value": value})

    def make_github_credentials(self, name: str, token: str) -> None:
        WATCH.add(f"the GitHub credentials {name}", token, to_workers=True)
        self._make_block("github-credentials", name, {"token": token})

    def make_notifier(self, name: str, url: str) -> None:
        """A block that sends notifications to an address of Apprise's."""
        WATCH.add(f"the address of {name}", url)
        self._make_block("slack-webhook", name, {"url": url})

    def make_decoys(self) -> None:
        """Secrets that nothing uses, so that nothing has a reason to say them."""
        for name, token in BLOCKS.items():
            self._make_block("secret", f"decoy-{name}", {"value": token})

    def _make_block(self, kind: str, name: str, data: Mapping[str, Any]) -> None:
        block_type = self.get(f"/block_types/slug/{kind}")["id"]
        query = {"block_schemas": {"block_type_id": {"any_": [block_type]}}}
        schema = self.post("/block_schemas/filter", query)[0]["id"]
        body = {"name": name, "data": data, "block_type_id": block_type, "block_schema_id": schema}
        self.post("/block_documents/", body)

    def make_deployment(self, flow: str, name: str, **fields: Any) -> str:
        """A deployment that nobody manages."""
        flow_id = self.post("/flows/", {"name": flow})["id"]
        return str(self.post("/deployments/", {"flow_id": flow_id, "name": name, **fields})["id"])

    # What stands there

    def deployment(self, key: str) -> Any:
        """A deployment by `flow/name`."""
        flow, _, name = key.partition("/")
        return self.get(f"/deployments/name/{quote(flow, safe='')}/{quote(name, safe='')}")

    def has_deployment(self, key: str) -> bool:
        flow, _, name = key.partition("/")
        path = f"/deployments/name/{quote(flow, safe='')}/{quote(name, safe='')}"
        return self._answer("GET", path, None).status_code == httpx.codes.OK

    def has_pool(self, name: str) -> bool:
        return self._answer("GET", f"/work_pools/{quote(name, safe='')}", None).status_code == httpx.codes.OK

    def schedule_ids(self, key: str) -> dict[str, str]:
        return {schedule["slug"]: schedule["id"] for schedule in self.deployment(key)["schedules"]}

    def scheduled(self, key: str) -> list[Any]:
        """The coming runs that the server's scheduler made, first come first."""
        query = {
            "deployments": {"id": {"any_": [self.deployment(key)["id"]]}},
            "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
            "sort": "EXPECTED_START_TIME_ASC",
        }
        return [run for run in self.post("/flow_runs/filter", query) if run["auto_scheduled"]]

    def wait_for_scheduled(self, key: str, number: int = 1) -> list[Any]:
        """The coming runs, once there are that many and no more come."""
        wait_for(f"{number} coming runs of {key}", lambda: len(self.scheduled(key)) >= number)
        return self.scheduled(key)

    # Runs

    def start_run(self, key: str, **parameters: Any) -> str:
        deployment = self.deployment(key)["id"]
        run = self.post(f"/deployments/{deployment}/create_flow_run", {"parameters": parameters})
        return str(run["id"])

    def wait_for_run(self, run: str, *, timeout: float = 150.0) -> Any:
        """The run once it is over, and its last logs have come: a worker that ends takes along those that have not."""

        def ended() -> Any:
            found = self.get(f"/flow_runs/{run}")
            return found if found["state_type"] in TERMINAL else None

        found = wait_for(f"the end of run {run}", ended, timeout=timeout)
        if found["state_type"] == "COMPLETED":
            self.wait_for_log(run, "Finished in state Completed()")
        return found

    def logs(self, run: str) -> str:
        """What a run has logged so far."""
        query = {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC", "limit": 200}
        return "\n".join(row["message"] for row in self.post("/logs/filter", query))

    def wait_for_log(self, run: str, text: str) -> None:
        """Logs arrive a little after the run is over."""
        wait_for(f"{text!r} in the logs of run {run}", lambda: text in self.logs(run), timeout=30)

    def everything(self) -> str:
        """All that the server shows of runs, logs, deployments and events, and what it said itself: no secret is in it."""
        asked = {
            "/flow_runs/filter": {"limit": 200},
            "/task_runs/filter": {"limit": 200},
            "/logs/filter": {"limit": 200},
            "/deployments/filter": {"limit": 200},
            "/events/filter": {"limit": 50},
        }
        answers = [json.dumps(self._all(path, body), ensure_ascii=False) for path, body in asked.items()]
        log = self.home / "server.log"
        return "\n".join([*answers, log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""])

    def _all(self, path: str, body: Mapping[str, Any]) -> list[Any]:
        """Every page."""
        page = self.post(path, body)
        found = [page]
        while isinstance(page, list) and len(page) == body["limit"]:
            page = self.post(path, {**body, "offset": body["limit"] * len(found)})
            found.append(page)
        while isinstance(page, dict) and page.get("next_page"):
            page = self.get(page["next_page"].replace(self.url, ""))
            found.append(page)
        return found
