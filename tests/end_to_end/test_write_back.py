"""What somebody changes on a real server comes back into the files, and then there is nothing to do; servers compared."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

import pytest
from end_to_end.api import Api
from end_to_end.tool import Tool, write_tree
from servers import prefect_server

pytestmark = pytest.mark.e2e

SMALL: Final = Path(__file__).resolve().parents[1] / "repositories" / "small"
KEY: Final = "import-orders/Importar órdenes"
GREETING: Final = "basic-flow/Saludo"

VENTAS: Final = """
    deployments:
      "Saludo":  # el de la mañana
        entrypoint: flows/basic.py:basic_flow
        parameters: {message: Hola mundo!}  # lo que dice
        schedules: {tarde: {cron: "0 17 * * *"}}  # en verano no
        paused: false  # nunca
    """
CHANGED: Final = """\
deployments:
  "Saludo":  # el de la mañana
    entrypoint: flows/basic.py:basic_flow
    parameters: {message: "Buen día #1"}  # lo que dice
    schedules: {tarde: {cron: "30 18 * * 1-5"}}  # en verano no
    paused: true  # nunca
    work_pool: pool-dev
    tags: ["nuevo: uno"]
"""


def schedule_of(api: Api, key: str, slug: str) -> Any:
    return next(one for one in api.deployment(key)["schedules"] if one["slug"] == slug)


def change_in_the_ui(api: Api) -> None:
    """Of one a description, a parameter, a timing of the shared schedule, and a new schedule without a slug.

    Of the other a timing, a parameter, the pool, a tag, and that it is paused.
    """
    path = f"/deployments/{api.deployment(KEY)['id']}"
    api.patch(path, {"description": "Como dice la interfaz.", "parameters": {"days": 9}})
    standing = schedule_of(api, KEY, "usual-hours")
    timing = {**standing["schedule"], "cron": "15 4 * * *"}
    api.patch(f"{path}/schedules/{standing['id']}", {"schedule": timing, "active": True})
    new = {"schedule": {"cron": "30 8 * * 1-5", "timezone": "America/Argentina/Buenos_Aires"}, "active": True}
    api.post(f"{path}/schedules", [new])  # type: ignore[arg-type] # a list
    path = f"/deployments/{api.deployment(GREETING)['id']}"
    standing = schedule_of(api, GREETING, "tarde")
    timing = {**standing["schedule"], "cron": "30 18 * * 1-5"}
    api.patch(f"{path}/schedules/{standing['id']}", {"schedule": timing, "active": True})
    api.patch(path, {"parameters": {"message": "Buen día #1"}, "paused": True, "work_pool_name": "pool-dev"})
    api.patch(path, {"tags": [*api.deployment(GREETING)["tags"], "nuevo: uno"]})


def test_changes_of_the_ui_come_back_and_nothing_is_left_to_do(tmp_path: Path) -> None:
    root = Path(shutil.copytree(SMALL, tmp_path / "repository"))
    home = tmp_path / "home"
    write_tree(root, {"deployments/ventas/prod.yaml": VENTAS})
    rules = root / "deployments" / "environments.yaml"
    said = rules.read_text(encoding="utf-8")
    rules.write_text(f"{said.rstrip()}\n    allow_pools: {{ventas: [pool-dev]}}\n", encoding="utf-8")
    with prefect_server(home) as url, Api(url, home) as api:
        tool = Tool(root=root, home=home, url=url)
        tool.apply("--env", "all")
        same = tool("compare", "--server", url, "--server", url.replace("127.0.0.1", "localhost"), "--json")
        change_in_the_ui(api)
        assert [change["reason"] for change in tool.plan("--env", "all")["changes"]] == ["drift", "drift"]
        proposed = tool("import", "--drift", "--json")
        assert (proposed.code, proposed.document["written"]) == (0, False), proposed.said
        assert proposed.document["left"] == []
        written = tool("import", "--drift", "--yes", "--json")
        assert written.document["written"], written.said
        plan = tool.plan("--env", "all")
        slugs = [field["path"] for change in plan["changes"] for field in change["fields"]]
        again = tool("import", "--drift", "--json")
    assert slugs == ["schedules.weekdays-08-30.slug"]  # the new one gets its name at the next apply
    assert again.document["files"] == []
    # What dev says too by its layers is said by prod's entry; what only prod takes from a shared file, there.
    assert {edit["file"] for edit in written.document["edits"]} == {
        "deployments/compras/prod.yaml",
        "deployments/compras/shared.yaml",
        "deployments/shared.yaml",
        "deployments/ventas/prod.yaml",
    }
    assert (root / "deployments" / "ventas" / "prod.yaml").read_text(encoding="utf-8") == CHANGED
    assert (same.code, same.document["changes"]) == (0, [])
    assert same.document["summary"]["unchanged"] >= 6
