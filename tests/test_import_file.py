"""`import FILE` over small files of tests/prefect_yaml: each line that is not carried over as it stands says so.

`# !code` at the end of a line is the problem that must be reported there, and there is no other. Adding a case is adding
a file. Where none of them is an error, what is written is without fault, and importing it again proposes nothing.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconcile.cli import main
from reconcile.commands.importing_file import AskedFile, FileProposal, file_proposal_of
from reconcile.commands.proposing import write
from reconcile.commands.session import declared_here, read_files
from reconcile.errors import ExitCode, ProblemsError, ReconcileError
from reconcile.model import Cron, Deployment, Interval
from reconcile.problem import Problem, has_errors

CASES = sorted((Path(__file__).parent / "prefect_yaml").glob("*.yaml"))
MARK = re.compile(r"!(?P<code>[a-z0-9-]+)")
ENV = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1] / "scripts")}
FLOWS = "from prefect import flow\n\n\n@flow\ndef uno() -> None: ...\n\n\n@flow\ndef dos(archivo=None) -> None: ...\n"


def project(tmp_path: Path, text: str) -> Path:
    """A prefect.yaml in a folder of its own, with two flows beside it."""
    folder = tmp_path / "viejo"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "flujos.py").write_text(FLOWS, encoding="utf-8")
    path = folder / "prefect.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def asked(tmp_path: Path, text: str, **more: Any) -> AskedFile:
    root = tmp_path / "nuevo"
    root.mkdir(exist_ok=True)
    return AskedFile(**{"path": project(tmp_path, text), "root": root, "environment": "prod", **more})


def problems_of(tmp_path: Path, text: str) -> tuple[FileProposal | None, tuple[Problem, ...]]:
    try:
        found = file_proposal_of(asked(tmp_path, text))
    except ProblemsError as error:
        return None, error.problems
    return found, found.problems


def written(tmp_path: Path, text: str, **more: Any) -> dict[str, Deployment]:
    """What the written files declare, by the deployments' names."""
    found = file_proposal_of(asked(tmp_path, text, **more))
    write(tmp_path / "nuevo", found.proposal.files, found.proposal.before)
    wanted = declared_here(read_files(tmp_path / "nuevo"))
    assert not has_errors(wanted.problems), wanted.problems
    return {f"{one.flow}/{one.name}": one for one in wanted.state.deployments.values()}


def case(name: str) -> str:
    return next(path for path in CASES if path.stem == name).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_line_that_is_not_carried_over_says_so_and_no_other(path: Path, tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    expected = {
        (number, mark["code"]) for number, line in enumerate(text.splitlines(), 1) for mark in MARK.finditer(line)
    }
    found, problems = problems_of(tmp_path, text)
    assert {(problem.location.line, problem.code) for problem in problems} == expected
    assert all(problem.message for problem in problems)
    if found is None:
        assert has_errors(problems)
        assert list((tmp_path / "nuevo").iterdir()) == []
        return
    write(tmp_path / "nuevo", found.proposal.files, found.proposal.before)
    assert not has_errors(declared_here(read_files(tmp_path / "nuevo")).problems)
    again = file_proposal_of(asked(tmp_path, text))
    assert again.proposal.files == {}
    assert set(again.already) == {entry.key for entry in found.proposal.tree.entries}


def test_anchors_come_out_as_sources_schedules_and_defaults(tmp_path: Path) -> None:
    found = written(tmp_path, case("anchors"))
    one, other = found["cierre/Cierre diario"], found["cierre/Cierre de prueba"]
    assert one.entrypoint == other.entrypoint == "src/cierre.py:cierre"
    assert one.tags == other.tags == ("compras", "nocturno")
    assert (one.work_queue, other.work_queue) == ("urgente", "lenta")
    assert one.pull_steps == (
        {
            "prefect.deployments.steps.git_clone": {
                "repository": "https://github.com/empresa/proyectos.git",
                "branch": "main",
                "credentials": {"access_token": "{{ prefect.blocks.secret.token-de-git }}"},
            }
        },
    )
    timing = Cron(cron="55 23 * * *", timezone="America/Argentina/Buenos_Aires")
    assert [schedule.timing for schedule in (*one.schedules, *other.schedules)] == [timing, timing]
    assert [(each.slug, each.active, dict(each.parameters)) for each in other.schedules] == [
        ("de-prueba", False, {"dias": 1})
    ]
    text = (tmp_path / "nuevo/deployments/anclas/prod.yaml").read_text(encoding="utf-8")
    assert "source: proyectos" in text
    assert text.count("compras, nocturno") == 1  # said once, for all


def test_prefect_2_is_read_as_it_was_meant(tmp_path: Path) -> None:
    found = written(tmp_path, case("prefect2"))["viejo/De antes"]
    assert found.job_variables == {"env": {"MODO": "viejo"}}
    assert found.work_pool == "viejo"
    assert [(type(each.timing), each.active) for each in found.schedules] == [(Interval, False)]
    assert next(iter(found.pull_steps[0])) == "prefect.deployments.steps.git_clone"


def test_steps_hold_as_prefect_chooses_them(tmp_path: Path) -> None:
    written(tmp_path, case("steps"))
    files = read_files(tmp_path / "nuevo")
    fields = {entry.declared: entry.fields for entry in files.entries}
    names = {
        name: [next(iter(step)).rpartition(".")[2] for step in said.get("pull") or ()] for name, said in fields.items()
    }
    assert names["Con imagen"] == names["Sin imagen"] == ["git_clone", "run_shell_script"]
    assert names["Sin buscar nada"] == []
    assert fields["De carpeta"].get("source") is not None
    assert {name for name, said in fields.items() if said.get("build")} == {"Con imagen", "Sin buscar nada"}
    assert {name for name, said in fields.items() if said.get("push")} == set(fields)
    deployments = {one.name: one for one in declared_here(files).state.deployments.values()}
    assert deployments["Sin buscar nada"].pull_steps == ()
    folder = deployments["De carpeta"].pull_steps
    assert folder == ({"prefect.deployments.steps.set_working_directory": {"directory": "C:\\Python_Scripts"}},)
    inputs = deployments["Con imagen"].pull_steps[0]["prefect.deployments.steps.git_clone"]
    assert inputs == {"id": "clone", "repository": "https://github.com/empresa/proyectos.git"}  # as they are


def test_what_a_deploy_fills_in_is_left_out_but_for_what_a_worker_fills_in(tmp_path: Path) -> None:
    found = written(tmp_path, case("templates"))["a/Con plantillas"]
    assert found.parameters == {"fija": 1}
    assert found.description is None
    assert found.job_variables == {"env": {"CLAVE": "{{ prefect.blocks.secret.clave }}", "FIJA": "1"}}
    assert found.pull_steps[0]["prefect.deployments.steps.set_working_directory"] == {"directory": "{{ $CARPETA }}"}
    text = (tmp_path / "nuevo/deployments/plantillas/prod.yaml").read_text(encoding="utf-8")
    assert "# prefect.yaml:18: " in text  # the line of what was left out, for whoever reads the new file
    assert "{{ $URL }}" in text


def test_triggers_become_automations(tmp_path: Path) -> None:
    written(tmp_path, case("triggers"))
    shared = yaml.safe_load((tmp_path / "nuevo/deployments/shared.yaml").read_text(encoding="utf-8"))["automations"]
    assert set(shared) == {"Tras la carga__automation_1", "las-dos"}
    first = shared["Tras la carga__automation_1"]
    assert first["trigger"]["expect"] == ["archivo.cargado"]
    assert first["actions"] == [
        {"type": "run-deployment", "deployment": "Tras la carga", "parameters": {"archivo": "{{ event.resource.id }}"}}
    ]
    assert shared["las-dos"]["enabled"] is False
    assert [one["posture"] for one in shared["las-dos"]["trigger"]["triggers"]] == ["Reactive", "Reactive"]


def test_one_name_on_two_flows_keeps_both(tmp_path: Path) -> None:
    text = "".join(case("twice").splitlines(keepends=True)[:-1])
    assert set(written(tmp_path, text)) == {"uno/Igual", "dos/Igual"}


def test_a_part_is_imported_whatever_the_rest_is(tmp_path: Path) -> None:
    text = case("refused").replace("git_clon:", "git_clone:")
    text += "- {name: Sana, entrypoint: a.py:sana, work_pool: {name: p}}\n"
    found = file_proposal_of(asked(tmp_path, text, only=("Sana",)))
    assert [entry.key for entry in found.proposal.tree.entries] == ["Sana"]
    with pytest.raises(ProblemsError):
        file_proposal_of(asked(tmp_path, text))


TIMINGS = [
    ('{cron: "0 8 * * *"}', {"cron": "0 8 * * *", "timezone": "UTC", "allow_utc": True}),
    ('{cron: "0 8 1 * 1", day_or: false}', {"cron": "0 8 1 * 1", "day_or": False, "timezone": "UTC", "allow_utc": True}),
    ("{interval: 3600, anchor_date: 2026-01-01T03:00:00, timezone: America/Lima}",
     {"interval": "1h", "anchor_date": "2026-01-01T03:00:00+00:00", "timezone": "America/Lima"}),
    ("{interval: 00:15:00, anchor_date: '2026-01-01', timezone: America/Lima}",
     {"interval": "15m", "anchor_date": "2026-01-01T00:00:00+00:00", "timezone": "America/Lima"}),
    ("{rrule: FREQ=DAILY, timezone: America/Lima}",
     {"rrule": "FREQ=DAILY", "start": "2020-01-01T00:00:00", "timezone": "America/Lima"}),
    ("""{rrule: '{"rrule": "DTSTART:20260101T080000\\nRRULE:FREQ=DAILY", "timezone": "America/Lima"}'}""",
     {"rrule": "DTSTART:20260101T080000\nRRULE:FREQ=DAILY", "timezone": "America/Lima"}),
]  # fmt: skip


@pytest.mark.parametrize(("said", "expected"), TIMINGS, ids=[said for said, _ in TIMINGS])
def test_timings_as_prefect_reads_them(said: str, expected: dict[str, Any], tmp_path: Path) -> None:
    text = f"deployments:\n- name: a\n  entrypoint: flujos.py:uno\n  work_pool: {{name: p}}\n  schedules: [{said}]\n"
    found = file_proposal_of(asked(tmp_path, text))
    (entry,) = found.proposal.tree.entries
    assert list(entry.fields["schedules"].values()) == [expected]


def test_the_command_shows_then_writes_and_says_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, root = project(tmp_path, case("anchors")), tmp_path / "nuevo"
    root.mkdir()
    arguments = ["import", str(path), "--root", str(root), "--area", "compras", "--pool-type", "compras=docker"]
    assert main(arguments) == ExitCode.DONE
    assert "deployments/compras/prod.yaml" in capsys.readouterr().out
    assert list(root.iterdir()) == []  # nobody said yes
    assert main([*arguments, "--yes", "--json"]) == ExitCode.DONE
    told = json.loads(capsys.readouterr().out)
    assert told["written"] is True
    assert told["problems"] == []
    assert {one["path"] for one in told["files"]} >= {
        "prefect.yaml",
        "deployments/compras/prod.yaml",
        "pools/compras.yaml",
    }
    assert yaml.safe_load((root / "pools/compras.yaml").read_text(encoding="utf-8"))["type"] == "docker"


def test_errors_exit_1_with_every_place_and_write_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, root = project(tmp_path, case("refused")), tmp_path / "nuevo"
    root.mkdir()
    assert main(["import", str(path), "--root", str(root), "--yes", "--json"]) == ExitCode.FAILED
    told = json.loads(capsys.readouterr().out)["problems"]
    assert len([one for one in told if one["severity"] == "error"]) > 10
    assert all(one["file"] == path.as_posix() for one in told)
    assert list(root.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nada.yaml"], ExitCode.FAILED),
        (["viejo/prefect.yaml", "--from-server"], ExitCode.USAGE),
        (["viejo/prefect.yaml", "--area", "Área"], ExitCode.USAGE),
        (["viejo/prefect.yaml", "--pool-type", "docker"], ExitCode.USAGE),
    ],
)
def test_wrong_usage(arguments: list[str], code: ExitCode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, case("anchors"))
    (tmp_path / "nuevo").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["import", *arguments, "--root", "nuevo", "--yes"]) == code


SANE = "name: v\ndeployments:\n- {name: a, entrypoint: 'flujos.py:uno', work_pool: {name: p}}\n"
AGAIN = "- {name: a, entrypoint: './flujos.py:uno', work_pool: {name: p}}\n"
ELSEWHERE = "- {name: a, entrypoint: 'otros.py:uno', work_pool: {name: p}}\n"
BAD: list[tuple[str, str | bytes, set[tuple[int, str]]]] = [
    ("tab", "deployments:\n\t- name: a\n", {(2, "tab")}),
    ("quote", 'deployments:\n- name: "a\n', {(2, "unclosed-quote")}),
    ("encoding", "deployments:\n- name: año\n".encode("latin-1"), {(2, "encoding")}),
    ("utf-16", SANE.encode("utf-16"), {(1, "encoding")}),
    ("empty", "", {(1, "deployments-missing")}),
    ("two documents", SANE + "---\n" + SANE, {(4, "several-documents")}),
    ("merge", f"<<<<<<< HEAD\n{SANE}=======\n>>>>>>> x\n", {(1, "merge-conflict")}),
    ("rest of a merge", SANE + ">>>>>>> x\n", {(4, "merge-conflict")}),
    ("no entrypoint", SANE.replace("entrypoint: 'flujos.py:uno', ", ""), {(3, "entrypoint-missing")}),
    ("empty entrypoint", SANE.replace("'flujos.py:uno'", "''"), {(3, "entrypoint-missing")}),
    ("one name twice", SANE + AGAIN, {(4, "name-twice")}),
    ("one name twice, of one flow in two files", SANE + ELSEWHERE, {(4, "not-importable")}),
    ("cookiecutter", "name: {{cookiecutter.slug}}\n" + SANE, {(1, "template-of-another-tool")}),
    ("helm", SANE + "description: {{ .Values.x }}\n", {(4, "template-of-another-tool")}),
    ("aliases", "a: &a [*a]\n" + SANE, {(1, "recursive-alias")}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [each[1:] for each in BAD], ids=[each[0] for each in BAD])
def test_bad_input_is_located_and_nothing_is_written(
    text: str | bytes, expected: set[tuple[int, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, root = project(tmp_path, SANE), tmp_path / "nuevo"
    (path.parent / "otros.py").write_text(FLOWS, encoding="utf-8")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    root.mkdir()
    assert main(["import", str(path), "--root", str(root), "--yes", "--json"]) == ExitCode.FAILED
    told = json.loads(capsys.readouterr().out)["problems"]
    assert {(one["line"], one["code"]) for one in told if one["severity"] == "error"} == expected
    assert {one["file"] for one in told} == {path.as_posix()}
    assert "deployments/" not in json.dumps(told)  # no place in a file that was never written
    assert list(root.iterdir()) == []


FOLDERS = ["prefect.yaml", "deployments/v/prod.yaml", "deployments/shared.yaml", "deployments/environments.yaml"]
OUT_OF_PLACE = [*((name, "folder") for name in FOLDERS), ("pools/p.yaml", "folder"), ("pools/p.yaml", "link"),
                *((name, "file") for name in ("deployments", "deployments/v", "pools"))]  # fmt: skip


@pytest.mark.parametrize(("name", "kind"), OUT_OF_PLACE, ids=[f"{kind} {name}" for name, kind in OUT_OF_PLACE])
def test_what_stands_in_the_way_is_told_and_nothing_is_written(
    name: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, root = project(tmp_path, SANE), tmp_path / "nuevo"
    there = root / name
    there.parent.mkdir(parents=True)
    if kind == "folder":
        there.mkdir()
    elif kind == "file":
        there.write_text("de alguien", encoding="utf-8")
    else:
        try:
            there.symlink_to(root / "nada")
        except OSError:
            pytest.skip("no links here")
    before = sorted(root.rglob("*"))
    assert main(["import", str(path), "--root", str(root), "--yes"]) == ExitCode.FAILED
    captured = capsys.readouterr()
    assert there.as_posix() in (said := (captured.out + captured.err).replace("\\", "/")) or name in said
    assert sorted(root.rglob("*")) == before


def test_what_somebody_writes_while_the_question_stands_is_left_alone(tmp_path: Path) -> None:
    root = tmp_path / "nuevo"
    found = file_proposal_of(asked(tmp_path, SANE)).proposal
    (root / "pools").mkdir()
    (root / "pools/p.yaml").write_text("type: docker\n", encoding="utf-8")
    with pytest.raises(ReconcileError, match=r"p\.yaml was written by somebody else meanwhile"):
        write(root, found.files, found.before)
    assert [path.name for path in root.rglob("*")] == ["pools", "p.yaml"]
    written(tmp_path, SANE)
    more = file_proposal_of(asked(tmp_path, SANE + AGAIN.replace("name: a", "name: b"))).proposal
    place = root / "deployments/v/prod.yaml"
    place.write_text(edited := place.read_text(encoding="utf-8") + "# mine\n", encoding="utf-8")
    with pytest.raises(ReconcileError, match="was changed meanwhile"):
        write(root, more.files, more.before)
    assert place.read_text(encoding="utf-8") == edited


KILLED = """
import os, signal, sys
from pathlib import Path
from reconcile.cli import main
left, replace = int(sys.argv[1]), Path.replace
def replaced(self, target):
    global left
    if self.suffix == ".new":
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
    return replace(self, target)
Path.replace = replaced
sys.exit(main(["import", *sys.argv[2:], "--yes"]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_killed_between_two_files_every_file_is_whole_and_a_second_run_completes(tmp_path: Path) -> None:
    found = file_proposal_of(asked(tmp_path, SANE)).proposal
    for left in (1, len(found.files) - 1):
        root = tmp_path / f"muerto{left}"
        root.mkdir()
        arguments = [str(left), str(tmp_path / "viejo/prefect.yaml"), "--root", str(root)]
        done = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False, capture_output=True, env=ENV)
        assert done.returncode == -9
        there = {name: (root / name).read_text(encoding="utf-8") for name in found.files if (root / name).exists()}
        assert len(there) == left
        assert there == {name: text for name, text in found.files.items() if name in there}
        assert main(["import", *arguments[1:], "--yes"]) == ExitCode.DONE
        assert {name: (root / name).read_text(encoding="utf-8") for name in found.files} == found.files
        assert not has_errors(declared_here(read_files(root)).problems)


def test_a_failure_between_two_files_undoes_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, replace = tmp_path / "nuevo", Path.replace
    written(tmp_path, SANE)
    before = {path: path.read_bytes() for path in root.rglob("*.yaml")}
    more = SANE + AGAIN.replace("name: a", "name: b").replace("{name: p}", "{name: q}")
    found = file_proposal_of(asked(tmp_path, more)).proposal
    assert len(found.files) == 2

    def failing(self: Path, target: Path) -> Path:
        if Path(target).name == "prod.yaml":
            raise OSError(28, "No space left on device", str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(ReconcileError, match=r"prod\.yaml cannot be written: No space left"):
        write(root, found.files, found.before)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_a_file_within_the_repository_is_its_own_source(tmp_path: Path) -> None:
    root = tmp_path / "nuevo"
    (root / "apps").mkdir(parents=True)
    (root / "apps/flujos.py").write_text(FLOWS, encoding="utf-8")
    path = root / "apps/prefect.yaml"
    path.write_text("deployments:\n- {name: a, entrypoint: 'flujos.py:uno', work_pool: {name: p}}\n", encoding="utf-8")
    found = file_proposal_of(AskedFile(path=path, root=root, environment="prod"))
    assert found.proposal.tree.sources == {"apps": {"path": "apps"}}


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 9)
    | st.sampled_from(["", "x", "a.py:b", "{{ $X }}", "{{ a.b }}", "0 8 * * *"])
)
KEYS = st.sampled_from(
    ["name", "entrypoint", "schedules", "schedule", "work_pool", "tags", "parameters", "pull", "build", "push", "triggers",
     "concurrency_limit", "cron", "interval", "rrule", "job_variables", "limit", "type", "id", "otra"]
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    deployments=st.lists(st.dictionaries(KEYS, VALUES, max_size=6) | SCALARS, max_size=3),
    top=st.dictionaries(KEYS, VALUES, max_size=3),
)
def test_no_shape_is_a_bug(
    deployments: list[Any], top: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever stands in a file is imported, or is a located problem."""
    text = yaml.safe_dump({**top, "deployments": deployments})
    with suppress(ReconcileError):
        found = file_proposal_of(asked(tmp_path_factory.mktemp("x"), text))
        assert not has_errors(found.problems)
