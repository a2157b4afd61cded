"""Secrets and variables from their declaration to a run: made by apply, set unseen, tried at a git server, read by a flow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from end_to_end.api import Api
from end_to_end.tool import Result, Tool, wait_for, worker, write_tree
from git_server import GitServer

pytestmark = pytest.mark.e2e

FLOW = '''
import hashlib
import json
import os
from pathlib import Path

from prefect import flow
from prefect.blocks.system import Secret
from prefect.variables import Variable


@flow(name="templar")
def templar(salida: str) -> None:
    """Write what is known of the secret and the variables into a file, the secret only as its digest."""

    def digest(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    known = {
        "block": digest(Secret.load("clave-del-horno").get()),
        "environment": digest(os.environ["CLAVE_DEL_HORNO"]),
        "variable": Variable.get("temperatura_del_horno"),
        "variable_environment": os.environ["HORNO"],
    }
    Path(salida, "templar.json").write_text(json.dumps(known), encoding="utf-8")
'''
FIRST, SECOND = "brasa-ñandú-41c7d2", 'carbón "con comillas" \\ 8be1'


def digest(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def secret_of(api: Api, name: str, kind: str = "secret") -> Any:
    """What a block keeps."""
    found = api.get(f"/block_types/slug/{kind}/block_documents/name/{name}?include_secrets=true")
    return found["data"]["value" if kind == "secret" else "token"]


def has_block(api: Api, name: str) -> bool:
    return any(row["name"] == name for row in api.post("/block_documents/filter", {"limit": 200}))


def fed(tool: Tool, text: str, *arguments: str) -> Result:
    """The tool with something on its standard input, which is no terminal."""
    done = subprocess.run(
        tool.command(*arguments),
        input=text.encode("utf-8"),
        capture_output=True,
        check=False,
        env=tool.environ(),
        cwd=tool.home,
        timeout=240,
    )
    result = Result(code=done.returncode, out=done.stdout.decode("utf-8"), err=done.stderr.decode("utf-8"))
    assert "Traceback" not in result.said, result.said
    return result


def forge(folder: Path, api: Api, name: str, shared: str = "", settings: Mapping[str, str] | None = None) -> Tool:
    """A repository with a pool and what is shared; no deployment."""
    root = write_tree(
        folder / "repository",
        {
            "prefect.yaml": f"name: {name}\n",
            "deployments/environments.yaml": f"environments: {{prod: {{work_pool: {name}}}}}\n",
            f"pools/{name}.yaml": "type: process\n",
            "deployments/shared.yaml": f"sources: {{aqui: {{path: .}}}}\n{shared}",
        },
    )
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    return Tool(root=root, home=home, url=api.url, settings={"NO_COLOR": "1", **(settings or {})})


def test_a_run_reads_the_secret_and_the_variables_that_were_applied(api: Api, tmp_path: Path) -> None:
    shared = (
        "variables: {temperatura_del_horno: {value: {grados: 750, curva: [1, 2.5]}}, horno: {value: norte}}\n"
        "secrets: {clave-del-horno: {from_env: CLAVE_DEL_HORNO, expires: '2999-01-01'}}\n"
        "concurrency_limits: {fuego-del-horno: {limit: 1}}\n"
    )
    tool = forge(tmp_path, api, "horno", shared)
    write_tree(
        tool.root,
        {
            "flows/templar.py": FLOW,
            "deployments/taller/prod.yaml": f"""
                deployments:
                  Templar:
                    source: aqui
                    entrypoint: flows/templar.py:templar
                    parameters: {{salida: {json.dumps(str(tmp_path))}}}
                    concurrency_limit: {{shared: fuego-del-horno}}
                    job_variables:
                      env:
                        CLAVE_DEL_HORNO: "{{{{ prefect.blocks.secret.clave-del-horno }}}}"
                        HORNO: "{{{{ prefect.variables.horno }}}}"
                """,
        },
    )
    refused = tool("apply", "--yes", "--json")
    assert refused.code == 1
    assert [one["code"] for one in refused.document["refusals"]] == ["secret-not-set"]
    assert refused.document["outcomes"] == []
    assert not api.has_pool("horno"), "nothing was written"

    known = replace(tool, settings={**(tool.settings or {}), "CLAVE_DEL_HORNO": FIRST})
    applied = known("apply", "--yes", "--json")
    assert applied.code == 0, applied.said
    done = {(one["kind"], one["key"]): one["status"] for one in applied.document["outcomes"]}
    assert done == {
        ("work-pool", "horno"): "done",
        ("variable", "horno"): "done",
        ("variable", "temperatura_del_horno"): "done",
        ("secret", "clave-del-horno"): "done",
        ("concurrency-limit", "fuego-del-horno"): "done",
        ("deployment", "templar/Templar"): "done",
    }
    assert applied.document["warnings"] == []
    assert FIRST not in applied.said
    again = known.apply()
    assert (again["changes"], again["requests"]["write"]) == ([], 0)
    linked = api.deployment("templar/Templar")["global_concurrency_limit"]
    assert linked["name"] == "fuego-del-horno"

    changed = replace(tool, settings={**(tool.settings or {}), "CLAVE_DEL_HORNO": "otra"})
    assert changed.apply()["changes"] == [], "an apply never rotates"
    assert secret_of(api, "clave-del-horno") == FIRST

    with worker("horno", home=tmp_path / "worker", url=api.url):
        assert api.wait_for_run(api.start_run("templar/Templar"))["state_type"] == "COMPLETED"
    written = json.loads((tmp_path / "templar.json").read_text(encoding="utf-8"))
    assert written == {
        "block": digest(FIRST),
        "environment": digest(FIRST),
        "variable": {"grados": 750, "curva": [1, 2.5]},
        "variable_environment": "norte",
    }
    assert FIRST not in api.everything()


def test_a_secret_is_set_from_the_environment_and_from_a_pipe_and_told_by_status(api: Api, tmp_path: Path) -> None:
    soon = (datetime.now(UTC) + timedelta(days=10)).date()
    tool = forge(tmp_path, api, "pulidora", f"secrets: {{clave-pulidora: {{expires: '{soon}'}}}}\n")
    planned = tool.plan()
    assert sorted(one["code"] for one in planned["warnings"]) == ["secret-expires", "secret-missing"]
    [before] = tool("status", "--json").document["secrets"]
    assert (before["exists"], before["days_left"] in {9, 10}, before["used_by"]) == (False, True, [])

    told = replace(tool, settings={**(tool.settings or {}), "CLAVE": FIRST})
    made = told("secret", "set", "clave-pulidora", "--from-env", "CLAVE", "--json")
    assert (made.code, made.document["action"]) == (0, "create"), made.said
    assert secret_of(api, "clave-pulidora") == FIRST
    rotated = fed(tool, f"{SECOND}\n", "secret", "set", "clave-pulidora")
    assert rotated.code == 0, rotated.said
    assert "has another value now" in rotated.out
    assert secret_of(api, "clave-pulidora") == SECOND
    assert not {part for part in (FIRST, SECOND, "41c7d2", "8be1") if part in made.said + rotated.said}

    status = tool("status")
    assert "secret/clave-pulidora: there" in status.out
    assert [one["code"] for one in tool.plan()["warnings"]] == ["secret-expires"]


@pytest.mark.parametrize(
    ("arguments", "text", "words"),
    [
        (("una-clave",), "", "There is no value"),
        (("una-clave",), "\n", "There is no value"),
        (("una-clave", "--from-env", "NO_ESTA"), "x", "NO_ESTA is not set"),
        (("Una_Clave",), "x", "no name of a block"),
        (("declarada", "--type", "secret"), "x", "declared as github-credentials"),
    ],
    ids=["nothing", "an empty line", "an unset variable", "a bad name", "another type"],
)
def test_what_cannot_be_set_is_wrong_usage_and_writes_nothing(
    arguments: tuple[str, ...], text: str, words: str, api: Api, tmp_path: Path
) -> None:
    tool = forge(tmp_path, api, "nadie", "secrets: {declarada: {type: github-credentials}}\n")
    result = fed(tool, text, "secret", "set", *arguments)
    assert (result.code, words in result.err, result.out) == (64, True, ""), result.said
    assert not has_block(api, arguments[0])


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are of POSIX")
def test_what_is_typed_on_a_terminal_is_not_shown(api: Api, tmp_path: Path) -> None:
    import pty
    import select

    tool = forge(tmp_path, api, "teclado")
    child, parent = pty.openpty()[::-1]
    process = subprocess.Popen(
        tool.command("secret", "set", "clave-tecleada"),
        stdin=child, stdout=child, stderr=child, env=tool.environ(), cwd=tool.home, start_new_session=True,
        preexec_fn=_take_the_terminal,  # noqa: PLW1509 # no thread runs here
    )  # fmt: skip
    os.close(child)
    seen = bytearray()

    def look() -> bool:
        while select.select([parent], [], [], 0.1)[0]:
            try:
                seen.extend(os.read(parent, 4096))
            except OSError:
                return True
        return b"not shown" in seen

    wait_for("the question", look)
    os.write(parent, f"{FIRST}\n".encode())
    wait_for("its end", lambda: (look(), process.poll() is not None)[1])
    look()
    os.close(parent)
    shown = seen.decode("utf-8", "replace")
    assert (process.returncode, "was made" in shown) == (0, True), shown
    assert FIRST not in shown
    assert secret_of(api, "clave-tecleada") == FIRST


def _take_the_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.mark.parametrize("kind", ["secret", "github-credentials"])
def test_a_git_token_is_kept_only_if_the_host_takes_it(kind: str, api: Api, git: GitServer, tmp_path: Path) -> None:
    name, token, wrong = f"llave-{kind}", f"llave-buena-{kind}-5511", "llave-vieja-0000"
    repository = f"bodega-{kind}"
    url = git.add_repository(repository, {"x.py": "pass\n"}, token=token)
    key = "secret" if kind == "secret" else "github_credentials"
    tool = forge(tmp_path, api, repository, settings=git.environment())
    shared = f"sources: {{bodega: {{git: '{url}', token: {{{key}: {name}}}}}}}\nsecrets: {{{name}: {{type: {kind}}}}}\n"
    (tool.root / "deployments/shared.yaml").write_text(shared, encoding="utf-8")

    refused = fed(tool, wrong, "secret", "set", name)
    assert (refused.code, refused.out) == (1, ""), refused.said
    assert f"refused the token of the block {kind}/{name}" in refused.err
    assert f"{kind}/{name} stays as it was" in refused.err
    assert not has_block(api, name)
    broken = fed(tool, f"{token} con cola", "secret", "set", name)
    assert (broken.code, "is no token" in broken.err) == (1, True), broken.said

    made = fed(tool, token, "secret", "set", name, "--json")
    assert made.code == 0, made.said
    assert made.document["tried"] == [url]
    assert secret_of(api, name, kind) == token
    [told] = tool("status", "--json").document["secrets"]
    assert (told["exists"], told["used_by"]) == (True, [f"the source {url}"])
    assert fed(tool, wrong, "secret", "set", name).code == 1
    assert secret_of(api, name, kind) == token, "a rotation that is refused leaves the old one"
    assert {token, wrong} <= git.tokens
    assert not {part for part in (token, wrong) if part in refused.said + broken.said + made.said}


def test_a_host_that_is_away_leaves_the_secret_as_it_was(api: Api, tmp_path: Path) -> None:
    tool = forge(tmp_path, api, "lejos")
    shared = "sources: {lejos: {git: 'https://localhost:9/x.git', token: {secret: llave-lejana}}}\n"
    (tool.root / "deployments/shared.yaml").write_text(shared, encoding="utf-8")
    result = fed(tool, "llave-lejana-77", "secret", "set", "llave-lejana")
    assert (result.code, "the host cannot be reached" in result.err) == (1, True), result.said
    assert not has_block(api, "llave-lejana")


def test_variables_that_others_made_are_adopted_by_name_and_orphans_pruned(api: Api, tmp_path: Path) -> None:
    tool = forge(tmp_path, api, "adoptiva", "variables: {taller_nombre: {value: 1.0}, taller_otra: {value: x}}\n")
    api.post("/variables/", {"name": "taller_nombre", "value": 1, "tags": []})
    refused = tool("plan", "--json")
    assert (refused.code, [one["code"] for one in refused.document["refusals"]]) == (1, ["unmanaged"])
    tool.apply("--adopt", "taller_nombre")
    assert tool.apply()["requests"]["write"] == 0
    (tool.root / "deployments/shared.yaml").write_text("sources: {aqui: {path: .}}\n", encoding="utf-8")
    left = tool.plan()
    assert [(one["kind"], one["key"]) for one in left["orphans"]] == [
        ("variable", "taller_nombre"),
        ("variable", "taller_otra"),
    ]
    refused = tool("apply", "--yes", "--json", "--prune")
    assert [one["code"] for one in refused.document["refusals"]] == ["area-empty"]
    tool.apply("--prune", "--allow-empty", "all")
    assert not {"taller_nombre", "taller_otra"} & api.variables().keys()
