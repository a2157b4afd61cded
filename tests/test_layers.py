"""The layers of the files: what replaces, what merges, what unites, and where each value came from."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest

from reconcile.document import Document, read_document
from reconcile.layers import AreaFiles, Entry, Repository, entries, merge_source, unused_loans

ENVIRONMENTS = """
default_timezone: America/Argentina/Buenos_Aires
environments:
  dev: {name: "{name}-dev", work_pool: pool-dev, inherit_schedules: false, defaults: {tags: [Dev]}}
  prod: {work_pool: "{area}-prod"}
"""


def document(file: str, text: str) -> Document:
    found, problems = read_document(file, dedent(text).encode("utf-8"))
    assert found is not None
    assert problems == ()
    return found


def repository(*, environments: str = ENVIRONMENTS, shared: str = "", lent: str = "", **files: str) -> Repository:
    return Repository(
        project=document("prefect.yaml", "name: p"),
        environments=document("deployments/environments.yaml", environments),
        shared=document("deployments/shared.yaml", shared),
        areas={
            "compras": AreaFiles(
                shared=document("deployments/compras/shared.yaml", lent),
                environments={name: document(f"deployments/compras/{name}.yaml", text) for name, text in files.items()},
            )
        },
    )


def entry(found: Repository, name: str = "x") -> Entry:
    return next(one for one in entries(found) if one.declared == name)


def fields(**layers: str) -> Any:
    return entry(repository(**layers)).fields


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        # Lowest first: shared's defaults, the environment's, the area's, the file's; then the loan, then the entry.
        ({"shared": "defaults: {description: a}", "prod": "deployments: {x: }"}, {"description": "a"}),
        ({"shared": "defaults: {description: a}", "lent": "defaults: {description: b}", "prod": "deployments: {x: }"}, {"description": "b"}),
        (
            {"lent": "defaults: {description: b}", "prod": "defaults: {description: c}\ndeployments: {x: {}}"},
            {"description": "c"},
        ),
        # What is said of one deployment beats what is said of many, also from a lower file.
        (
            {"lent": "deployments: {x: {description: lent}}", "prod": "defaults: {description: many}\ndeployments: {x: }"},
            {"description": "lent"},
        ),
        (
            {"lent": "deployments: {x: {description: lent}}", "prod": "deployments: {x: {description: own}}"},
            {"description": "own"},
        ),
        # Tags unite, in their order, each once.
        ({"shared": "defaults: {tags: [a, b]}", "prod": "deployments: {x: {tags: [b, c]}}"}, {"tags": ["a", "b", "c"]}),
        # null unsets a field; inside parameters it is a value.
        ({"shared": "defaults: {tags: [a]}", "prod": "deployments: {x: {tags: null}}"}, {}),
        ({"shared": "defaults: {parameters: {a: 1}}", "prod": "deployments: {x: {parameters: {a: null}}}"}, {"parameters": {"a": None}}),
        # A parameter's value replaces whole; job variables merge at every depth.
        (
            {"shared": "defaults: {parameters: {a: {b: 1}, c: 1}}", "prod": "deployments: {x: {parameters: {a: {d: 2}}}}"},
            {"parameters": {"a": {"d": 2}, "c": 1}},
        ),
        (
            {"shared": "defaults: {job_variables: {env: {A: a}}}", "prod": "deployments: {x: {job_variables: {env: {B: b}}}}"},
            {"job_variables": {"env": {"A": "a", "B": "b"}}},
        ),
        # A scalar and a mapping replace each other; a limit replaces whole.
        (
            {"shared": "defaults: {concurrency_limit: {limit: 2, collision_strategy: CANCEL_NEW}}", "prod": "deployments: {x: {concurrency_limit: 3}}"},
            {"concurrency_limit": 3},
        ),
        # A timing replaces the whole timing below it; the rest of the schedule merges.
        (
            {
                "lent": "deployments: {x: {schedules: {s: {cron: '0 1 * * *', timezone: UTC, allow_utc: true, parameters: {a: 1}}}}}",
                "prod": "deployments: {x: {schedules: {s: {interval: 30m, anchor_date: '2026-01-01T00:00:00'}}}}",
            },
            {"schedules": {"s": {"interval": "30m", "anchor_date": "2026-01-01T00:00:00", "parameters": {"a": 1}}}},
        ),
        (
            {"lent": "deployments: {x: {schedules: {s: {cron: '0 1 * * *'}, t: {cron: '0 2 * * *'}}}}", "prod": "deployments: {x: {schedules: {s: null}}}"},
            {"schedules": {"t": {"cron": "0 2 * * *"}}},
        ),
        # An empty schedule is the shared one of its name; `use` names another.
        ({"shared": "schedules: {s: {cron: '0 1 * * *'}}", "prod": "deployments: {x: {schedules: {s: {}}}}"}, {"schedules": {"s": {"cron": "0 1 * * *"}}}),
        (
            {"shared": "schedules: {s: {cron: '0 1 * * *'}}", "prod": "deployments: {x: {schedules: {t: {use: s, parameters: {a: 1}}}}}"},
            {"schedules": {"t": {"cron": "0 1 * * *", "parameters": {"a": 1}}}},
        ),
        ({"shared": "schedules: {s: {cron: '0 1 * * *'}}", "prod": "deployments: {x: {schedules: {s: null}}}"}, {"schedules": {}}),
        # The area's own schedule of a name stands before the shared one.
        (
            {"shared": "schedules: {s: {cron: '0 1 * * *'}}", "lent": "schedules: {s: {cron: '0 2 * * *'}}", "prod": "deployments: {x: {schedules: {s: {}}}}"},
            {"schedules": {"s": {"cron": "0 2 * * *"}}},
        ),
    ],
)  # fmt: skip
def test_layers_are_laid_over_each_other(layers: dict[str, str], expected: dict[str, Any]) -> None:
    assert fields(**layers) == expected


def test_only_schedules_written_in_the_environments_file_are_inherited_where_it_says_so() -> None:
    lent = "deployments: {x: {schedules: {s: {cron: '0 1 * * *'}, t: {cron: '0 2 * * *'}}}}"
    found = repository(lent=lent, dev="deployments: {x: {schedules: {t: {}}}}")
    assert entry(found).fields["schedules"] == {"t": {"cron": "0 2 * * *"}}


def test_every_value_is_found_where_it_was_written() -> None:
    found = entry(
        repository(
            shared="""\
                defaults:
                  tags: [a]
                  job_variables:
                    env: {A: a}
                schedules:
                  s:
                    cron: "0 1 * * *"
                """,
            prod="""\
                deployments:
                  x:
                    job_variables:
                      env:
                        B: b
                    schedules:
                      s: {parameters: {p: 1}}
                """,
        )
    )
    assert str(found.location) == "deployments/compras/prod.yaml:2:3"
    assert str(found.locate(("tags", 0))) == "deployments/shared.yaml:2:10"
    assert str(found.locate(("job_variables", "env", "A"))) == "deployments/shared.yaml:4:14"
    assert str(found.locate(("job_variables", "env", "B"))) == "deployments/compras/prod.yaml:5:12"
    assert str(found.locate(("schedules", "s", "cron"))) == "deployments/shared.yaml:7:11"
    assert str(found.locate(("schedules", "s", "parameters", "p"))) == "deployments/compras/prod.yaml:7:27"
    assert str(found.locate(("entrypoint",))) == "deployments/compras/prod.yaml:2:3"


def test_a_source_is_laid_over_the_shared_one_and_its_ref_replaces_any_other() -> None:
    found = repository(
        environments="environments: {dev: {sources: {e: {branch: desarrollo}}}, prod: {}}",
        shared="sources: {e: {git: 'https://host/o/r.git', tag: v1, token: {secret: t}}}",
        dev="deployments: {x: }",
    )
    merged = merge_source(entry(found).scope.sources["e"])
    assert merged == {"git": "https://host/o/r.git", "branch": "desarrollo", "token": {"secret": "t"}}


def test_a_deployment_that_is_lent_and_named_nowhere_is_a_warning() -> None:
    found = repository(
        lent="deployments: {x: {entrypoint: a.py:b}, y: {entrypoint: a.py:b}}", prod="deployments: {x: }"
    )
    assert [(str(problem.location), problem.code, str(problem.severity)) for problem in unused_loans(found)] == [
        ("deployments/compras/shared.yaml:1:40", "deployment-unused", "warning")
    ]


def test_a_file_of_an_environment_that_is_not_declared_gives_no_entries() -> None:
    assert list(entries(repository(staging="deployments: {x: }"))) == []
