"""`export`: the way out. What is selected as one prefect.yaml, which Prefect's own command line deploys."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from reconcile.building import Recipe, recipe_of
from reconcile.commands import output
from reconcile.commands.asking import may_write
from reconcile.commands.options import add_root, add_selection, filter_of, root_of
from reconcile.commands.proposing import standing, write
from reconcile.commands.session import TOOL, declared_here, find_target, matching_nothing, read_files, say, selected_of
from reconcile.commands.taking import with_besides
from reconcile.desired import Desired
from reconcile.errors import ExitCode, ProblemsError, UsageError
from reconcile.moving.stock import Exported, exported
from reconcile.problem import has_errors


def configure(parser: ArgumentParser) -> None:
    """Its arguments."""
    parser.epilog = "example: python3 scripts/sync.py export --env prod --out ../salida"
    add_root(parser)
    add_selection(parser)
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write prefect.yaml and the pools' job templates into this folder"
    )
    parser.add_argument("--yes", action="store_true", help="write over what is there without asking")


def run(options: Namespace) -> ExitCode:
    """Print the file, or write it. No server is asked; what it is for is the one that Prefect itself would use."""
    root = root_of(options, TOOL)
    if options.out is not None and options.out.resolve() == root:
        raise UsageError("--out names this repository, whose own prefect.yaml would be lost.", "Name another folder.")
    if options.out is not None and options.out.exists() and not options.out.is_dir():
        raise UsageError(f"--out takes a folder, and {options.out} is a file.", "Name a folder; it may be a new one.")
    files = read_files(root)
    target = find_target()
    wanted = declared_here(files, is_here=target.is_loopback)
    if has_errors(wanted.problems):
        raise ProblemsError(wanted.problems)
    chosen = filter_of(options, files.repository)
    besides = wanted.besides.for_environments(chosen.environments)
    for notice in matching_nothing(chosen, wanted):
        raise UsageError(notice.message, "Correct it: nothing of it would be exported.")
    state = with_besides(selected_of(chosen, wanted), besides.values(), chosen)
    project = str(files.repository.project.data.get("name") or "project")
    found = exported(project, version("prefect"), state, _recipes(wanted))
    written = options.out is not None and _write(options, found)
    if options.json:
        output.document({**_document(found), "written": written})
        return ExitCode.DONE
    if options.out is None:
        output.text(found.text)
    for remark in found.remarks:
        say(f"{remark.key}: {remark.message}")
    if options.out is None and found.templates:
        say("The job templates of its work pools are not in it: --out DIR writes them beside it.")
    if options.out is not None:
        say(f"Written into {options.out}." if written else "Nothing was written; --yes writes it.")
    return ExitCode.DONE


def _recipes(wanted: Desired) -> dict[str, Recipe]:
    found = {name: recipe_of(entry.fields) for name, entry in wanted.entries.items()}
    return {name: recipe for name, recipe in found.items() if recipe is not None}


def _write(options: Namespace, found: Exported) -> bool:
    """Write the files. What is there already and says something else is somebody's: that needs a yes."""
    before = standing(options.out, found.files)
    there = [name for name, text in found.files.items() if _differs(options.out / name, text)]
    if there and not options.yes:
        say(f"These files are there and would be written over: {', '.join(there)}.")
    if there and not may_write(options, "Write over them?"):
        return False
    write(options.out, found.files, before)
    return True


def _differs(path: Path, text: str) -> bool:
    try:
        return path.exists() and path.read_bytes() != text.encode("utf-8")
    except OSError:
        return True


def _document(found: Exported) -> dict[str, Any]:
    return {
        "files": [{"path": name, "text": text} for name, text in found.files.items()],
        "commands": [list(command) for command in found.commands],
        "notes": [{"code": one.code, "key": one.key, "message": one.message} for one in found.remarks],
    }
