"""What the command line allows, and what it is told where that is about nothing."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path

import builders as a
import pytest
from small import copy_small

from reconcile.cli import main
from reconcile.commands.options import filter_of
from reconcile.commands.permissions import Permissions, add_permissions, permissions_of, unfounded
from reconcile.commands.session import read_files
from reconcile.errors import ExitCode, UsageError
from reconcile.model import Mark


def parsed(*arguments: str) -> Permissions:
    parser = ArgumentParser()
    add_permissions(parser)
    parser.set_defaults(only=[])
    return permissions_of(parser.parse_args(arguments))


def test_nothing_said_allows_nothing() -> None:
    assert parsed() == Permissions()


def test_everything_said() -> None:
    found = parsed(
        *("--adopt", "a/b", "--adopt", "c/d", "--adopt-from", "otro", "--release", "e/f"),
        *("--prune", "--max-deletes", "7", "--allow-empty", "rrhh", "--even-if-running"),
    )
    assert found.adopt == {"a/b", "c/d"}
    assert found.adopt_from == {"otro"}
    assert found.release == {"e/f"}
    assert (found.pruning.allowed, found.pruning.max_deletes, found.pruning.even_if_running) == (True, 7, True)
    assert set(found.pruning.allow_empty) == {"rrhh"}
    assert found.adopts(a.deployment("b", flow="a").key)
    assert not found.adopts(a.deployment("x", flow="a").key)
    assert parsed("--adopt-all").adopts(a.deployment("x", flow="a").key)


@pytest.mark.parametrize("command", ["plan", "apply --yes"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["--prune", "--only", "Saludo"],
        ["--prune", "--max-deletes", "-1"],
        ["--max-deletes", "muchos"],
        ["--max-deletes", "3"],
        ["--allow-empty", "compras"],
    ],
)
def test_what_contradicts_itself_is_a_usage_error_before_a_server_is_looked_for(
    command: str, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    root = copy_small(tmp_path / "repository")
    assert main([*command.split(), "--root", str(root), *arguments]) == ExitCode.USAGE


@pytest.mark.parametrize(
    ("areas", "given_up", "allowed"),
    [
        (["saludos"], None, True),
        (["rrhh"], ["rrhh"], True),
        (["rrhh"], [], False),
        (["rrhh"], ["rr"], False),
        (["rrhh"], None, False),
    ],
)
def test_an_area_without_files_is_selected_where_it_may_be_empty(
    areas: list[str], given_up: list[str] | None, allowed: bool, tmp_path: Path
) -> None:
    repository = read_files(copy_small(tmp_path / "repository")).repository
    areas = [next(iter(repository.areas)) if area == "saludos" else area for area in areas]
    said = Namespace(env=[], area=areas, only=[], **({} if given_up is None else {"allow_empty": given_up}))
    if allowed:
        assert filter_of(said, repository).areas == tuple(areas)
        return
    with pytest.raises(UsageError) as caught:
        filter_of(said, repository)
    assert ("--allow-empty rrhh" in caught.value.hint) == (given_up is not None)


DECLARED = a.deployment()
KEY = DECLARED.key.name
UNMANAGED = replace(DECLARED, mark=None)
ELSEWHERE = a.deployment("Suelto", mark=None)


@pytest.mark.parametrize(
    ("permissions", "codes"),
    [
        (Permissions(adopt=frozenset({KEY})), []),
        (Permissions(adopt=frozenset({"basic-flow/Despliegue basico"})), ["adopt-missing"]),
        (Permissions(adopt=frozenset({"", "x"})), ["adopt-missing", "adopt-missing"]),
        (Permissions(adopt=frozenset({"basic-flow/Suelto"})), ["adopt-undeclared"]),
        (Permissions(release=frozenset({KEY, "compras-prod"})), []),
        (Permissions(release=frozenset({"basic-flow/Suelto"})), ["release-missing"]),
        (Permissions(adopt_from=frozenset({"otro"})), []),
        (Permissions(adopt_from=frozenset({a.PROJECT})), []),
        (Permissions(adopt_from=frozenset({"nadie"})), ["adopt-from-missing"]),
    ],
)
def test_what_is_not_there_is_told_by_its_name(permissions: Permissions, codes: list[str]) -> None:
    theirs = a.deployment("Suyo", mark=Mark(project="otro", area="compras", environment="prod"))
    found = unfounded(permissions, a.state(DECLARED), a.state(UNMANAGED, ELSEWHERE, theirs))
    assert [notice.code for notice in found] == codes
    for notice in found:
        named = [*permissions.adopt, *permissions.release, *permissions.adopt_from]
        assert any(name in notice.message for name in named)


def test_what_is_nearly_called_so_is_named() -> None:
    permissions = Permissions(adopt=frozenset({"basic-flow/Despliegue basico"}))
    found = unfounded(permissions, a.state(DECLARED), a.state(UNMANAGED))
    assert KEY in found[0].message
