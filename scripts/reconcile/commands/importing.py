"""`import`: what exists, on a server or in a prefect.yaml, becomes YAML of this repository. It writes files only."""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Final

from reconcile.automations import ours_first
from reconcile.commands import output
from reconcile.commands.asking import files_told, is_somebody_there, may_write
from reconcile.commands.importing_file import NOTES as FILE_NOTES
from reconcile.commands.importing_file import AskedFile, FileProposal, file_document, file_proposal_of, pool_types_of
from reconcile.commands.options import ALL, add_root, add_server, root_of
from reconcile.commands.proposing import Faults, Ground, Proposal, document_of, propose, write
from reconcile.commands.session import TOOL, Files, declared_here, read_files, reading_of, say
from reconcile.desired import Desired, final_name
from reconcile.diff import difference
from reconcile.errors import ExitCode, UsageError
from reconcile.layers import NAME
from reconcile.model import Deployment, Kind, Mark, State, WorkPool
from reconcile.moving.draft import DEVICES, DraftTree, area_name, plain_name
from reconcile.moving.from_state import Areas, Wish, code_key, favourite_zone, from_state
from reconcile.observed import observed
from reconcile.plan import Action, Change, FieldChange
from reconcile.render.escape import safe
from reconcile.render.text import Line, problem_lines
from reconcile.selection import Selection
from reconcile.wire import Snapshot
from reconcile.workspace import job_templates

NOTES: Final = """--area-from says which area (folder) a deployment belongs to; the first rule that answers:
  pool        the name of its work pool, less the environment's: compras-prod in prod is compras
  name        the first word of its name
  tag:GLOB    its first tag that fits; where the glob has a *, what stands for it: tag:area-* makes area-compras compras
What no rule answers for is in the area general.

What cannot be declared as it stands is left out, said, and stays on the server as it is. Afterwards
`plan --adopt-all` shows what `apply --adopt-all` would write: the mark that says who manages it, and nothing else.

examples:
  python3 scripts/sync.py import --from-server --area-from pool
  python3 scripts/sync.py import --from-server --area-from 'tag:area-*' --area-from name --env prod --yes
  python3 scripts/sync.py import --from-server --area-from name --only 'Cierre*'
"""

DEFAULT_AREA: Final = "general"
DEFAULT_ENVIRONMENT: Final = "prod"


def configure(parser: ArgumentParser) -> None:
    """Its arguments."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = f"{NOTES}\n{FILE_NOTES}"
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a prefect.yaml that becomes YAML here")
    parser.add_argument(
        "--area", default=None, metavar="NAME", help="with FILE: the area; otherwise the project's name"
    )
    parser.add_argument(
        "--pool-type",
        action="append",
        default=[],
        metavar="NAME=TYPE",
        help="with FILE: of which type a new work pool is; repeatable",
    )
    parser.add_argument("--from-server", action="store_true", help="what stands on the server becomes YAML here")
    parser.add_argument(
        "--drift", action="store_true", help="what was changed on the server becomes an edit of the line that says it"
    )
    parser.add_argument(
        "--area-from",
        action="append",
        default=[],
        metavar="RULE",
        help="which area a deployment belongs to: pool, name, or tag:GLOB; repeatable",
    )
    parser.add_argument(
        "--env", default=None, metavar="NAME", help="the environment that the server is of; made where it is new"
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="GLOB",
        help="only deployments of such a name, or flow/name, and what they use; repeatable",
    )
    parser.add_argument("--yes", action="store_true", help="write without asking")
    add_root(parser)
    add_server(parser)


def run(options: Namespace) -> ExitCode:
    """Propose the files, ask, write them."""
    if (options.file is not None) + options.from_server + options.drift > 1:
        raise UsageError("A file, --from-server and --drift are three imports.", "Name one of them at a time.")
    if options.drift:
        if options.area_from or options.pool_type:
            raise UsageError("--area-from and --pool-type say nothing of what drifted.", "Leave them out.")
        from reconcile.commands.drifting import run_drift

        return run_drift(options)
    if options.file is not None:
        return _run_file(options)
    if not options.from_server:
        raise UsageError(
            "Nothing says what to import.",
            "--from-server imports what stands on the server; the path of a prefect.yaml imports that.",
        )
    if options.area is not None or options.pool_type:
        raise UsageError("--area and --pool-type are for a prefect.yaml.", "Here --area-from says the areas.")
    root = root_of(options, TOOL)
    rules = [_rule(text) for text in options.area_from]
    with ExitStack() as stack:
        reading = reading_of(stack, local=options.local)
        snapshot = reading.read()
        is_here = reading.target.is_loopback
    proposal = proposal_of(
        Asked(
            root=root,
            environment=options.env,
            rules=tuple(rules) or _asked_rules(options, snapshot),
            only=tuple(options.only),
            is_here=is_here,
        ),
        snapshot,
    )
    return _finish(options, root, proposal)


def _run_file(options: Namespace) -> ExitCode:
    """Propose the files that declare what a prefect.yaml does, ask, write them."""
    if options.from_server or options.area_from or options.local:
        raise UsageError("A prefect.yaml is imported without any server.", "Leave out the options of --from-server.")
    root = root_of(options, TOOL)
    found = file_proposal_of(
        AskedFile(
            path=options.file,
            root=root,
            environment=_environment(root, options.env),
            area=options.area,
            only=tuple(options.only),
            pool_types=pool_types_of(options.pool_type),
        )
    )
    if not options.json:
        output.lines(_file_lines(found))
    return _finish(options, root, found.proposal, found)


def _file_lines(found: FileProposal) -> Iterator[Line]:
    if found.problems:
        yield from problem_lines(found.problems)
    for name in found.already:
        yield Line(f"{safe(name)} is declared already, and is left as it is.", "dim")
    for stem, pool in sorted(found.proposal.tree.pools.items()):
        yield Line(f"pools/{stem}.yaml: the type {pool.fields['type']} is a guess; see what the server has.", "dim")


def _finish(options: Namespace, root: Path, proposal: Proposal, found: FileProposal | None = None) -> ExitCode:
    """Show what would be written, and write it where somebody says yes."""
    if not options.json:
        output.lines(_lines(proposal))
    written = bool(proposal.files) and may_write(options, f"Write {files_told(len(proposal.files))}?")
    if written:
        write(root, proposal.files, proposal.before)
    if options.json:
        said = document_of(proposal)
        said = said if found is None else file_document(found, said)
        output.document({**said, "written": written})
    elif proposal.files:
        say(
            "Written; `plan --adopt-all` shows what taking it over would change."
            if written
            else "Nothing was written; --yes writes it."
        )
    return ExitCode.DONE


def _lines(proposal: Proposal) -> Iterator[Line]:
    tree = proposal.tree
    if not proposal.files:
        yield Line("There is nothing new to import.", "good")
    for name, text in proposal.files.items():
        sign, size = ("~", "") if name in proposal.changed else ("+", f" ({text.count(chr(10))} lines)")
        yield Line(f"{sign} {safe(name)}{size}", "create" if sign == "+" else "update")
        for entry in tree.entries:
            if name == f"deployments/{entry.area}/{entry.environment}.yaml":
                yield Line(f"    {safe(entry.identity)}", "dim")
    for note in tree.notes:
        what = "left out" if note.left_out else "note"
        yield Line(f"{what}: {safe(note.key)}: {safe(note.message)}", "warning")
    told = ", ".join(f"{number} {what}{'' if number == 1 else 's'}" for what, number in _counts(tree) if number)
    left = sum(note.left_out for note in tree.notes)
    if told or left:
        yield Line(f"{told}; {left} left out." if told else f"{left} left out.")


def _counts(tree: DraftTree) -> Iterator[tuple[str, int]]:
    yield "deployment", len(tree.entries)
    yield "work pool", len(tree.pools)
    yield "variable", len(tree.variables)
    yield "secret", len(tree.secrets)
    yield "concurrency limit", len(tree.limits)
    yield "automation", len(tree.automations)


# ---------------------------------------------------------------- the proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody wants imported, and into which folder."""

    root: Path
    rules: tuple[Rule, ...]
    environment: str | None = None
    only: tuple[str, ...] = ()
    is_here: bool = True


def proposal_of(asked: Asked, snapshot: Snapshot) -> Proposal:
    """The files that declare what stands on a server, as far as no file does yet."""
    state = observed(snapshot)
    if asked.only and not any(_takes(asked.only, one) for one in state.deployments.values()):
        raise UsageError(
            f"--only {' --only '.join(map(repr, asked.only))} fits no deployment of the server.",
            "It is compared with the names of deployments, and with flow/name; * stands for anything.",
        )
    project = _project(asked.root, state)
    state = ours_first(state, project)
    environment = _environment(asked.root, asked.environment)
    ground = Ground(
        root=asked.root,
        environment=environment,
        project=project,
        zone=favourite_zone(state),
        is_here=asked.is_here,
        standing=state,
    )
    return propose(
        ground,
        partial(_draft, asked, ground, state),
        lambda wanted, tree: _changes_of(wanted, tree, state, project),
    )


def _draft(asked: Asked, ground: Ground, state: State, files: Files, faults: Faults) -> DraftTree:
    repository = files.repository
    rules = (repository.environments.data.get("environments") or {}).get(ground.environment) or {}
    wish = Wish(
        project=ground.project,
        environment=ground.environment,
        areas=_areas(asked.rules, ground.environment),
        zone=str(repository.environments.data.get("default_timezone") or "UTC"),
        form=str(rules.get("name") or "{name}"),
        takes=partial(_takes, asked.only),
        partial=bool(asked.only),
        declared=_declared(declared_here(files, is_here=ground.is_here, standing=state)),
        keys={
            (area, name): frozenset(map(str, document.data.get("deployments") or {}))
            for area, found in repository.areas.items()
            for name, document in found.environments.items()
        },
        stems={str(document.data.get("name") or stem): stem for stem, document in repository.pools.items()},
        taken=_templates(asked.root),
        templates=job_templates(),
        left_out=faults,
    )
    return from_state(state, wish)


def _takes(globs: Sequence[str], one: Deployment) -> bool:
    return not globs or any(fnmatchcase(text, glob) for text in (one.name, one.key.name) for glob in globs)


def _templates(root: Path) -> frozenset[str]:
    return frozenset(path.stem for path in (root / "pools" / "templates").glob("*.json"))


def _declared(wanted: Desired) -> dict[str, frozenset[str]]:
    besides = {
        kind.value: frozenset(one.key.name for one in wanted.besides.declared if one.key.kind is kind) for kind in Kind
    }
    codes = (
        code_key(final_name(entry), entry.fields.get("entrypoint"))
        for _, entry in wanted.pairs
        if "flow" not in entry.fields
    )
    return {
        **besides,
        "deployment": frozenset(name for name, _ in wanted.pairs),
        "work-pool": frozenset(wanted.state.pools),
        "code": frozenset(codes),
    }


# What would not stay as it is


def _changes_of(wanted: Desired, tree: DraftTree, state: State, project: str) -> Faults:
    """What of the draft a plan would change on the server, so that it is not declared as it stands there."""
    drafted = {entry.identity for entry in tree.entries}
    pools = {str(pool.fields.get("name") or stem) for stem, pool in tree.pools.items()}
    declared = wanted.state.deployments
    desired = State(
        pools={name: pool for name, pool in wanted.state.pools.items() if name in pools},
        deployments={name: one for name, one in declared.items() if name in drafted},
    )
    selection = Selection(project=project, declared=declared, adopt=lambda _: True)
    found: dict[tuple[str, str], str] = {
        ("deployment", name): "Its code says another name of its flow than the server has."
        for name in drafted - declared.keys()
    }
    for change in difference(desired, state, selection).changes:
        paths = [field.path for field in change.fields if not _is_of_no_account(change, field)]
        if change.action is Action.CREATE or paths:
            what = ", ".join(paths[:4]) or "everything"
            found[change.key.kind.value, change.key.name] = f"Declared, it would be changed on the server: {what}."
    return found


def _is_of_no_account(change: Change, field: FieldChange) -> bool:
    """The mark; the slug that a schedule without one is given; what code says by now; a path that nobody reads.

    And that a pool without a job template is given one: without it no worker can use the pool.
    """
    if isinstance(change.observed, WorkPool):
        return field.field == "job_template" and not change.observed.job_template
    named = field.field == "schedules" and field.path.endswith(".slug") and field.before is None
    return named or field.path in {"managed-by", "path"} or field.field == "parameter_schema"


# ---------------------------------------------------------------- project, environment, areas


def _project(root: Path, state: State) -> str:
    """The repository's name; of a new one, that by which the server's things are marked already, or the folder's."""
    if (root / "prefect.yaml").exists():
        return str(read_files(root).repository.project.data.get("name") or "project")
    marks: set[Mark] = {one.mark for kind in Kind for one in state.marked(kind).values() if one.mark is not None}
    projects = {mark.project for mark in marks}
    return projects.pop() if len(projects) == 1 else plain_name(root.name, "project")[:63].strip("-")


def _environment(root: Path, name: str | None) -> str:
    """The environment that is named, or the only one that there is, or the first of a new repository."""
    known: list[str] = []
    if (root / "deployments" / "environments.yaml").exists() and (root / "prefect.yaml").exists():
        known = sorted(read_files(root).repository.environments.data.get("environments") or {})
    if name is None and len(known) > 1:
        raise UsageError("The repository has several environments.", f"--env {' or --env '.join(known)}")
    name = name or next(iter(known), DEFAULT_ENVIRONMENT)
    if not NAME.fullmatch(name) or name in {ALL, "shared", *DEVICES}:
        raise UsageError(f"{name!r} is no name of an environment.", "Small letters, digits and hyphens: prod, say.")
    return name


Rule = Callable[[Deployment, str], str | None]


def _rule(text: str) -> Rule:
    kind, _, glob = text.partition(":")
    if text == "pool":
        return _by_pool
    if text == "name":
        return _by_name
    if kind == "tag" and glob:
        return partial(_by_tag, _pattern(glob))
    raise UsageError(f"--area-from {text!r} is no rule.", "Write pool, name, or tag:GLOB, as in tag:area-*.")


def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile("(.+)".join(map(re.escape, glob.split("*"))))


def _by_pool(one: Deployment, environment: str) -> str | None:
    name = plain_name(one.work_pool or "", "")
    return name.removesuffix(f"-{environment}").removeprefix(f"{environment}-") or None


def _by_name(one: Deployment, _: str) -> str | None:
    word = re.search(r"[^\W_]+", one.name)
    return plain_name(word[0], "") if word else None


def _by_tag(pattern: re.Pattern[str], one: Deployment, _: str) -> str | None:
    for tag in sorted(one.tags):
        match = pattern.fullmatch(tag)
        if match is not None:
            return plain_name(match[1] if match.groups() else tag, "") or None
    return None


def _areas(rules: Sequence[Rule], environment: str) -> Areas:
    def area_of(one: Deployment) -> str:
        said = next((area for rule in rules if (area := rule(one, environment))), DEFAULT_AREA)
        return area_name(said)

    return area_of


def _asked_rules(options: Namespace, snapshot: Snapshot) -> tuple[Rule, ...]:
    """The rule that somebody at a terminal chooses, having seen what each would give."""
    if options.json or not is_somebody_there():
        raise UsageError(
            "Nothing says which area a deployment belongs to.",
            "--area-from pool, --area-from name or --area-from tag:*",
        )
    deployments = observed(replace(snapshot, automations=())).deployments.values()
    for text in ("pool", "name", "tag:*"):
        found = Counter(map(_areas((_rule(text),), options.env or DEFAULT_ENVIRONMENT), deployments))
        told = ", ".join(f"{area} ({number})" for area, number in sorted(found.items())[:12])
        say(f"{text:6} {len(found)} areas: {told}")
    say("Which rule gives the areas: pool, name, or tag:GLOB? ")
    return (_rule(sys.stdin.readline().strip()),)
