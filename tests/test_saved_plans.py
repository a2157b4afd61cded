"""Saved plans: what one holds, what makes it stale, and that no byte of it can change unnoticed."""

from __future__ import annotations

import json
import random
import shutil
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from fake_gateway import FakeGateway
from jsonschema import Draft202012Validator
from small import copy_small

from reconcile.apply import apply
from reconcile.commands import apply as apply_command
from reconcile.commands import plan as plan_command
from reconcile.commands import saved
from reconcile.commands.options import filter_of
from reconcile.commands.permissions import permissions_of
from reconcile.commands.saved import (
    SETTLED,
    check_inputs,
    check_origin,
    check_place,
    digest_of,
    misfit,
    read_saved,
    save,
    selected_by,
)
from reconcile.commands.session import Observation, Session, observe, read_files
from reconcile.errors import ReconcileError, UsageError
from reconcile.gateway.target import Target
from reconcile.plan import Status
from reconcile.secrets import MASK
from reconcile.wire import Request, Snapshot

SCHEMA: Any = json.loads((Path(__file__).parents[1] / "schemas" / "plan.schema.json").read_text(encoding="utf-8"))
SERVER = "http://127.0.0.1:4200/api"
COMMIT = "0123456789ab"
TOKEN = "ghp_" + "a1B2c3D4" * 5


@dataclass(slots=True)
class Place:
    """A repository, a server, and the commands' middle part between the two."""

    root: Path
    server: FakeGateway = field(default_factory=FakeGateway)
    requests: int = 0

    def read(self) -> Snapshot:
        return self.server.read()

    def rows(self, path: str, query: object = None) -> tuple[()]:
        """There are no runs."""
        return ()

    def post(self, path: str, body: object) -> int:
        return 0

    def session(self, url: str = SERVER, *, embedded: bool = False, **said: Any) -> Session:
        options = options_of(**said)
        files = read_files(self.root)
        return Session(
            root=self.root,
            target=Target(url=url, origin="the test"),
            embedded=embedded,
            reading=cast("Any", self),
            files=files,
            chosen=filter_of(options, files.repository),
            permissions=permissions_of(options),
        )

    def save(self, path: Path, **said: Any) -> Observation:
        session = self.session(**said)
        found = observe(session)
        save(path, found.plan, session, options_of(**said))
        return found

    def apply(self) -> None:
        found = observe(self.session())
        outcomes = apply(found.plan, self.server, flows=found.observed.flows, commit=COMMIT)
        assert {outcome.status for outcome in outcomes} == {Status.DONE}

    def changed(self) -> Mapping[str, Any]:
        """The deployment on the server that `edit` of its area's file changes."""
        return next(row for row in self.server.read().deployments if "/compras/dev" in " ".join(row["tags"]))

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.root / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8", newline="\n")


def options_of(**said: Any) -> Namespace:
    return Namespace(
        **{name: list(value) if isinstance(value, list) else value for name, value in SETTLED.items()} | said
    )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("RECONCILE_CACHE", str(tmp_path / "cache"))
    return Place(root=copy_small(tmp_path / "repository"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "monday.plan.json"


# What it holds


def test_it_is_the_plan_with_what_it_was_made_from(place: Place, path: Path) -> None:
    found = place.save(path, area=["compras"])
    document = json.loads(path.read_text(encoding="utf-8"))
    Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(document)
    assert document["summary"]["create"] == len(found.plan.changes) > 0
    assert document["selection"]["area"] == ["compras"]
    assert document["selection"]["project"] == found.files.repository.project.data["name"]
    assert read_saved(path).document == document


def test_a_plan_that_nothing_happened_to_fits(place: Place, path: Path) -> None:
    place.apply()
    place.edit("deployments/compras/dev.yaml", "deployments:", "defaults: {tags: [nueva]}\ndeployments:")
    found = place.save(path)
    assert not found.plan.is_empty
    session = place.session()
    back = read_saved(path)
    check_origin(back, session)
    again = observe(session)
    check_inputs(back, session)
    assert misfit(back, again.plan) is None


def test_it_fits_in_another_checkout_of_the_same_files(place: Place, path: Path, tmp_path: Path) -> None:
    """What is planned in CI is applied elsewhere; line endings are the checkout's."""
    place.save(path)
    other = replace(place, root=tmp_path / "other")
    shutil.copytree(place.root, other.root)
    for file in other.root.rglob("*.yaml"):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    session = other.session()
    observe(session)
    check_inputs(read_saved(path), session)


def test_it_holds_no_secret_and_notices_that_one_changed(place: Place, path: Path) -> None:
    place.apply()
    row = place.server.read().deployments[0]
    variables = {"env": {"GIT_TOKEN": TOKEN, "CLAVE": "hunter2"}}
    patch = Request(method="PATCH", path=f"/deployments/{row['id']}", body={"job_variables": variables})
    place.server.write(patch)
    found = place.save(path)
    text = path.read_text(encoding="utf-8")
    assert TOKEN not in text
    assert "hunter2" not in text
    assert MASK in text
    patch.body["job_variables"]["env"]["CLAVE"] = "hunter3"  # shown the same
    place.server.write(patch)
    again = observe(place.session())
    assert [change.fields for change in again.plan.changes] == [change.fields for change in found.plan.changes]
    refusal = misfit(read_saved(path), again.plan)
    assert refusal is not None
    assert "hunter" not in refusal.message


def test_the_password_of_an_address_is_not_in_it(place: Place, path: Path) -> None:
    place.save(path, url=f"http://ana:{TOKEN}@127.0.0.1:4200/api")
    assert TOKEN not in path.read_text(encoding="utf-8")
    check_origin(read_saved(path), place.session())


def test_what_stood_in_the_file_is_there_until_the_new_one_is_whole(
    place: Place, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text("yesterday's", encoding="utf-8")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UsageError, match="No space left on device"):
        place.save(path)
    assert path.read_text(encoding="utf-8") == "yesterday's"
    assert [each.name for each in path.parent.iterdir() if each.is_file()] == [path.name]


# A changed byte


def test_any_changed_byte_is_noticed(place: Place, path: Path) -> None:
    place.save(path)
    whole = path.read_bytes()
    chosen = random.Random(7)
    places = {0, 1, len(whole) - 1, len(whole) - 2, *(chosen.randrange(len(whole)) for _ in range(400))}
    for at in sorted(places):
        changed = bytearray(whole)
        changed[at] ^= 1 << chosen.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(ReconcileError):
            read_saved(path)
    path.write_bytes(whole)
    read_saved(path)


def with_other(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "target": "http://elsewhere/api"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text + "\n",
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text[: len(text) // 2],
        lambda text: text + text,
        lambda text: json.dumps(json.loads(text), ensure_ascii=False),
        lambda text: json.dumps(with_other(json.loads(text)), ensure_ascii=False, indent=2) + "\n",
        lambda text: text.replace("{", '{"format": 1,', 1),
        lambda _: "",
        lambda _: "null",
        lambda _: "[]",
        lambda _: "{}",
        lambda _: "[" * 100_000,
        lambda _: "changes: []",
        lambda _: '{"format": 1, "changes": [], "selection": {}, "sha256": "\\ud800"}',
        lambda _: '{"format": NaN, "changes": 1, "selection": 2, "sha256": 3}',
    ],
)
def test_what_is_no_plan_of_ours_is_one_message(spoil: Callable[[str], str], place: Place, path: Path) -> None:
    place.save(path)
    path.write_text(spoil(path.read_text(encoding="utf-8")), encoding="utf-8", newline="")
    with pytest.raises(ReconcileError) as caught:
        read_saved(path)
    assert caught.value.exit_code == 1
    assert str(path) in caught.value.message
    assert "plan --out" in caught.value.hint


@pytest.mark.parametrize("selection", [{}, [], {"env": "prod"}, "all"])
def test_a_selection_that_makes_no_sense_is_refused_with_a_right_digest_too(
    selection: Any, place: Place, path: Path
) -> None:
    place.save(path)
    document = json.loads(path.read_text(encoding="utf-8"))
    del document["sha256"]
    path.write_text(saved._text({**document, "selection": selection}), encoding="utf-8", newline="\n")
    with pytest.raises(ReconcileError, match="changed after it was saved"):
        read_saved(path)


def without(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda document: document.pop(name)


NO_CHANGES: list[Any] = [5, None, [1], [{}], [{"key": ["basic-flow/Hola"]}]]


def holding(**more: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda document: document.update(more)


@pytest.mark.parametrize(
    "spoil",
    [
        *map(without, ("target", "tool", "commit", "inputs", "digest")),
        *(holding(changes=changes) for changes in NO_CHANGES),
        holding(tool=None),
        lambda document: document["selection"].update(max_deletes="x", prune=True),
    ],
)
def test_what_it_is_held_against_has_to_be_there_with_a_right_digest_too(
    spoil: Callable[[dict[str, Any]], Any], place: Place, path: Path
) -> None:
    place.save(path)
    document = json.loads(path.read_text(encoding="utf-8"))
    del document["sha256"]
    spoil(document)
    path.write_text(saved._text(document), encoding="utf-8", newline="\n")
    with pytest.raises(ReconcileError, match="changed after it was saved"):
        read_saved(path)


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_file_without_an_end_is_not_read_to_it(
    end: bytes, place: Place, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.save(path)
    monkeypatch.setattr(saved, "MOST", path.stat().st_size)
    path.write_bytes(path.read_bytes() + end)
    if end:
        with pytest.raises(ReconcileError, match="is not a saved plan"):
            read_saved(path)
    else:
        read_saved(path)


def test_a_plan_changed_with_skill_is_none_of_what_would_be_done(place: Place, path: Path) -> None:
    """Its digest of itself is right again; but what it shows is not what would be applied."""
    found = place.save(path)
    document = json.loads(path.read_text(encoding="utf-8"))
    del document["sha256"]
    document["changes"] = document["changes"][:1]
    path.write_text(saved._text(document), encoding="utf-8", newline="\n")
    assert misfit(read_saved(path), found.plan) is not None


def test_another_format_is_told_by_its_number(place: Place, path: Path) -> None:
    place.save(path)
    path.write_text(path.read_text(encoding="utf-8").replace('"format": 1', '"format": 2', 1), encoding="utf-8")
    with pytest.raises(ReconcileError, match="format 2"):
        read_saved(path)


@pytest.mark.parametrize("name", ["nonesuch.plan.json", "."])
def test_a_file_that_cannot_be_read_is_wrong_usage(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        read_saved(tmp_path / name)


@pytest.mark.parametrize("name", ["no-such-folder/a.plan.json", "."])
def test_a_place_where_none_can_be_saved_is_wrong_usage(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--out"):
        check_place(tmp_path / name)


# What makes it stale


def test_another_version_of_the_tool(place: Place, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.save(path)
    monkeypatch.setattr(saved, "tool", lambda: "9.9.9+ffffffffffff")
    with pytest.raises(ReconcileError, match=r"9\.9\.9"):
        check_origin(read_saved(path), place.session())


def test_another_project(place: Place, path: Path) -> None:
    place.save(path)
    name = place.session().project
    place.edit("prefect.yaml", f"name: {name}", "name: otro")
    with pytest.raises(ReconcileError, match=f"{name}.*otro"):
        check_origin(read_saved(path), place.session())


@pytest.mark.parametrize(
    ("session", "word"),
    [
        ({"url": "http://127.0.0.1:4201/api"}, "4201"),
        ({"url": "http://192.168.1.13:4200/api"}, r"192\.168"),
        ({"embedded": True}, "embedded"),
    ],
)
def test_another_target(session: dict[str, Any], word: str, place: Place, path: Path) -> None:
    place.save(path)
    with pytest.raises(ReconcileError, match=word):
        check_origin(read_saved(path), place.session(**session))


def test_the_same_target_by_another_name(place: Place, path: Path) -> None:
    place.save(path)
    check_origin(read_saved(path), place.session(url="http://localhost:4200/api/"))


def test_the_embedded_server_is_the_same_on_any_port(place: Place, path: Path) -> None:
    session = place.session(url="http://127.0.0.1:40001/api", embedded=True)
    save(path, observe(session).plan, session, options_of(local=True))
    again = place.session(url="http://127.0.0.1:40002/api", embedded=True)
    back = read_saved(path)
    check_origin(back, again)
    assert misfit(back, observe(again).plan) is None


@pytest.mark.parametrize(
    "file",
    ["prefect.yaml", "deployments/environments.yaml", "deployments/shared.yaml", "deployments/compras/dev.yaml"],
)
def test_a_file_with_one_more_byte(file: str, place: Place, path: Path) -> None:
    place.save(path)
    target = place.root / file
    target.write_text(target.read_text(encoding="utf-8") + "#", encoding="utf-8")
    session = place.session()
    observe(session)
    with pytest.raises(ReconcileError, match="files"):
        check_inputs(read_saved(path), session)


def test_a_pools_file_and_a_flows_source_count(place: Place, path: Path) -> None:
    place.save(path)
    for file in [next((place.root / "pools").glob("*.yaml")), next(place.root.rglob("*.py"))]:
        before = file.read_text(encoding="utf-8")
        file.write_text(before + "\n# another line\n", encoding="utf-8")
        session = place.session()
        observe(session)
        with pytest.raises(ReconcileError, match="files"):
            check_inputs(read_saved(path), session)
        file.write_text(before, encoding="utf-8")
    session = place.session()
    observe(session)
    check_inputs(read_saved(path), session)


OPERATORS: list[dict[str, Any]] = [
    {"description": "otra"},
    {"paused": True},
    {"tags": ["managed-by:small/compras/dev", "x"]},
    {"parameters": {}},
]


@pytest.mark.parametrize("body", OPERATORS, ids=lambda body: next(iter(body)))
def test_a_deployment_that_somebody_changed(body: dict[str, Any], place: Place, path: Path) -> None:
    place.apply()
    place.edit("deployments/compras/dev.yaml", "deployments:", "defaults: {tags: [nueva]}\ndeployments:")
    place.save(path)
    row = place.changed()
    place.server.write(Request(method="PATCH", path=f"/deployments/{row['id']}", body=body))
    refusal = misfit(read_saved(path), observe(place.session()).plan)
    assert refusal is not None
    assert refusal.code == "plan-stale"
    assert "plan --out" in refusal.message


def test_one_that_was_deleted_and_made_anew(place: Place, path: Path) -> None:
    """The same in all but its id: its history is not the one that was looked at."""
    place.apply()
    place.edit("deployments/compras/dev.yaml", "deployments:", "defaults: {tags: [nueva]}\ndeployments:")
    place.save(path)
    row = place.changed()
    place.server.write(Request(method="DELETE", path=f"/deployments/{row['id']}"))
    plain = {name: row[name] for name in ("flow_id", "name", "entrypoint", "tags", "version", "work_pool_name")}
    place.server.write(Request(method="POST", path="/deployments/", body=plain))
    assert misfit(read_saved(path), observe(place.session()).plan) is not None


def test_one_that_was_applied_already(place: Place, path: Path) -> None:
    place.save(path)
    place.apply()
    refusal = misfit(read_saved(path), observe(place.session()).plan)
    assert refusal is not None


def test_when_something_was_last_touched_is_nothing_that_was_looked_at(place: Place, path: Path) -> None:
    place.apply()
    place.edit("deployments/compras/dev.yaml", "deployments:", "defaults: {tags: [nueva]}\ndeployments:")
    place.save(path)
    row = place.changed()
    place.server.write(Request(method="PATCH", path=f"/deployments/{row['id']}", body={}))
    assert misfit(read_saved(path), observe(place.session()).plan) is None


def test_the_order_of_the_servers_answers_changes_no_digest(place: Place) -> None:
    place.apply()
    place.edit("deployments/compras/dev.yaml", "deployments:", "defaults: {tags: [nueva]}\ndeployments:")
    digests = set()
    for seed in range(5):
        read = place.server.read()
        rows = list(read.deployments)
        random.Random(seed).shuffle(rows)
        shuffled = Shuffled(root=place.root, snapshot=replace(read, deployments=tuple(rows)))
        digests.add(digest_of(observe(shuffled.session()).plan))
    assert len(digests) == 1


@dataclass(slots=True)
class Shuffled(Place):
    """A server that answers in an order of its own."""

    snapshot: Snapshot = field(default_factory=Snapshot)

    def read(self) -> Snapshot:
        return self.snapshot


# The command line


def test_what_a_plan_selects_goes_for_the_apply(place: Place, path: Path) -> None:
    place.save(path, area=["compras"], adopt_all=True)
    options = selected_by(read_saved(path), options_of(yes=True, json=True))
    assert (options.area, options.adopt_all, options.yes, options.json) == (["compras"], True, True, True)


CONTRADICTIONS: dict[str, Any] = {
    name: True if default is False else 3 if default is None else ["x"] for name, default in SETTLED.items()
}


@pytest.mark.parametrize("name", SETTLED)
def test_an_option_that_contradicts_the_plan_is_wrong_usage(name: str, place: Place, path: Path) -> None:
    place.save(path)
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')}"):
        selected_by(read_saved(path), options_of(**{name: CONTRADICTIONS[name]}))


def defaults_of(configure: Callable[[ArgumentParser], None], *positional: str) -> dict[str, Any]:
    parser = ArgumentParser()
    configure(parser)
    return vars(parser.parse_args(list(positional)))


def test_every_option_is_known_to_saved_plans() -> None:
    """One that is added has to be thought about: does a plan settle it, or is it said anew at each apply?"""
    planning, applying = defaults_of(plan_command.configure), defaults_of(apply_command.configure)
    of_the_moment = {"plan", "root", "json", "yes", "wait", "build"}  # the last is refused beside a saved plan
    of_the_output = {"root", "json", "out", "exit_code", "markdown", "html"}
    assert applying.keys() - of_the_moment <= SETTLED.keys()
    assert planning.keys() - of_the_output <= SETTLED.keys()
    for name, default in SETTLED.items():
        assert applying.get(name, default) == default, name
        assert planning.get(name, default) == default, name
