"""The schemas themselves, and what is said of a file or a value that does not fit one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from reconcile.document import read_document
from reconcile.problem import Fault, Severity
from reconcile.schema import KINDS, SCHEMAS, check, check_value

FILES = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(SCHEMAS.glob("*.schema.json"))}
OURS = [*(f"{kind}.schema.json" for kind in KINDS), "definitions.schema.json"]
VALIDATOR: Any = Draft202012Validator
REGISTRY: Any = Registry().with_resources((name, DRAFT202012.create_resource(FILES[name])) for name in FILES)


def problems(kind: str, text: str) -> list[str]:
    """What is wrong with a file of a kind, as `line:column code`."""
    document, found = read_document("f.yaml", text.encode())
    assert document is not None
    assert found == ()
    return [f"{p.location.line}:{p.location.column} {p.code}" for p in check(document, kind)]


def said(kind: str, text: str) -> str:
    """The message and hint of the only thing that is wrong with a file."""
    document, _ = read_document("f.yaml", text.encode())
    assert document is not None
    (problem,) = check(document, kind)
    return f"{problem.message} | {problem.hint}"


# ---------------------------------------------------------------- the schemas


def subschemas(schema: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every schema within a schema, with its path."""
    if not isinstance(schema, dict):
        return
    yield path, schema
    for keyword in ("properties", "$defs", "dependentSchemas", "patternProperties"):
        for name, each in schema.get(keyword, {}).items():
            yield from subschemas(each, f"{path}/{keyword}/{name}")
    for keyword in ("items", "additionalProperties", "propertyNames", "not"):
        yield from subschemas(schema.get(keyword), f"{path}/{keyword}")
    for keyword in ("anyOf", "allOf", "oneOf"):
        for number, each in enumerate(schema.get(keyword, ())):
            yield from subschemas(each, f"{path}/{keyword}/{number}")


ALL = [(name, path, schema) for name in OURS for path, schema in subschemas(FILES[name])]


def target(name: str, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema with what it refers to."""
    if "$ref" not in schema:
        return schema
    found: Mapping[str, Any] = REGISTRY.resolver(name).lookup(schema["$ref"]).contents
    return {**target(schema["$ref"].partition("#")[0] or name, found), **schema}


def test_there_is_a_schema_for_every_kind() -> None:
    assert set(OURS) <= set(FILES)


@pytest.mark.parametrize("name", OURS)
def test_schemas_are_valid(name: str) -> None:
    Draft202012Validator.check_schema(FILES[name])
    assert FILES[name]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert FILES[name]["description"]


def test_every_reference_leads_somewhere_and_only_annotations_stand_beside_it() -> None:
    references = [(name, path, schema) for name, path, schema in ALL if "$ref" in schema]
    assert len(references) > 40
    for name, path, schema in references:
        assert target(name, schema), (name, path)
        assert set(schema) <= {"$ref", "description", "title", "examples", "default"}, (name, path)


def test_every_key_is_explained() -> None:
    keys = [
        (f"{name}{path}/{key}", target(name, value))
        for name, path, schema in ALL
        if "dependentSchemas" not in path and not path.endswith("/if")
        for key, value in schema.get("properties", {}).items()
    ]
    assert len(keys) > 60
    assert [key for key, schema in keys if len(schema.get("description", "")) < 15] == []
    assert [
        key for key, schema in keys if not ({"default", "examples", "properties", "additionalProperties"} & set(schema))
    ] == []


def test_examples_and_defaults_fit_their_own_schema() -> None:
    tried = 0
    for name, path, schema in ALL:
        whole = target(name, schema)
        own = {keyword: value for keyword, value in whole.items() if keyword != "$ref"}
        validator = VALIDATOR(own, _resolver=REGISTRY.resolver(_base(name, schema)))
        for example in [*whole.get("examples", ()), *([whole["default"]] if "default" in whole else ())]:
            assert [error.message for error in validator.iter_errors(example)] == [], (name, path)
            tried += 1
    assert tried > 40


def _base(name: str, schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).partition("#")[0] or name


FREE = {"parameters", "job_variables", "job_defaults", "base_job_template", "jobVariables"}


def test_only_free_mappings_take_any_key() -> None:
    for name, path, schema in ALL:
        types = schema.get("type", ())
        if "object" in ([types] if isinstance(types, str) else types) and path.rpartition("/")[2] not in FREE:
            steps = path.endswith("/steps/items/additionalProperties")  # the inputs of a Prefect step
            chosen = "type" in schema.get("required", ()) and {"allOf", "if"} & set(
                schema
            )  # closed by what its type is
            assert steps or chosen or "additionalProperties" in schema, (name, path)


# ---------------------------------------------------------------- files that fit

DEPLOYMENTS = """
defaults: {source: electra, tags: [compras]}
deployments:
  "Despliegue básico":
    entrypoint: src/basic.py:basic_flow
    flow: basic-flow
    name: Otro nombre
    description: Saluda todas las noches.
    schedules:
      noche: {cron: "55 23 * * *", timezone: UTC, allow_utc: true, day_or: false, active: true, parameters: {a: null}}
      usual-hours: {}
      vacio:
      otra: {use: usual-hours}
      media-hora: {interval: 30m, anchor_date: 2026-01-01T00:00:00}
      segundos: {interval: 90.5, anchor_date: "2026-01-01"}
      habil: {rrule: "FREQ=DAILY", start: "2026-01-01T20:00:00-03:00"}
    parameters: {message: Hola, hasta: null, lista: [1, {a: b}]}
    work_pool: compras-prod
    work_queue: urgent
    job_variables: {env: {PYTHONUTF8: "1"}, image: null}
    concurrency_limit: 1
    enforce_parameter_schema: true
    paused: false
  Vacío:
  Módulo: {entrypoint: paquete.módulo:flujo, concurrency_limit: {limit: 1, grace_period_seconds: 60}}
  Con puntos: {entrypoint: paquete.modulo.flujo}
  Nulos: {entrypoint: null, flow: null, name: null, description: null, source: null, schedules: null, parameters: null,
          tags: null, work_pool: null, work_queue: null, job_variables: null, concurrency_limit: null,
          enforce_parameter_schema: null, paused: null}
"""


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("deployments", ""),
        ("deployments", DEPLOYMENTS),
        ("deployments", "defaults:\ndeployments:\n"),
        ("area-shared", DEPLOYMENTS),
        ("shared", """
sources:
  electra: {git: https://github.com/x/y.git, branch: main, token: {secret: a-token}, directories: [src],
            include_submodules: false}
  etiqueta: {git: git@github.com:x/y.git, tag: v1}
  fijo: {git: file:///srv/x.git, commit: 1f2e3d4c5b6a79880716253443526170a1b2c3d4}
  local: {path: 'C:\\Python_Scripts', read_from: electra}
  here: {path: ., deploy_as: {git: https://github.com/x/z.git, token: {github_credentials: cred}}}
schedules: {usual-hours: {cron: "30 1,13,17 * * *"}}
defaults: {job_variables: {env: {A: "1"}}}
"""),
        ("environments", """
default_timezone: America/Argentina/Buenos_Aires
environments:
  dev: {name: "{name}-dev", work_pool: pool-dev, inherit_schedules: false, sources: {electra: {branch: x}},
        defaults: {tags: [Dev]}}
  prod: {name: "{area} {name}", work_pool: "{area}-prod", allow_pools: {contabilidad: [cierre]},
         api_url: ["http://192.168.1.13:442/api", https://x/api]}
  local: {api_url: "http://127.0.0.1:4200/api"}
  vigilado:
    require: {source: git, branch: main, description: warn, clean: true, pushed: false, up_to_date: warn}
    protect: {max_deletes: 0, max_delete_share: 0.5, due_within: 90s, drift: report, prune: never}
    freeze: ["fri 18:00/mon 06:00", sun 23:59/sun 00:00]
  avisado: {require: {source: {git: warn}, branch: {release/2026: warn}}, protect: {due_within: 0}, freeze: []}
  nada:
"""),
        ("pool", "type: process"),
        ("pool", """
name: Cierre Contable
type: process
description: x
concurrency_limit: 0
is_paused: false
queues: {urgent: {priority: 1, concurrency_limit: 1, description: x}, default: }
job_defaults: {env: {A: "1"}}
base_job_template: templates/x.json
"""),
        ("pool", "type: process\nbase_job_template: {job_configuration: {}, variables: {}}\n"),
        ("prefect", "name: electra\nprefect-version: 3.8.8\n"),
        ("prefect", """
name: electra
description: x
build: null
push: []
pull:
  - prefect.deployments.steps.git_clone: {repository: x, id: clone}
  - prefect.deployments.steps.set_working_directory: {directory: C:/x}
deployments: []
"""),
    ],
)  # fmt: skip
def test_what_fits(kind: str, text: str) -> None:
    assert problems(kind, text) == []


# ---------------------------------------------------------------- files that do not


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("deployments", "- a", ["1:1 wrong-type"]),
        ("deployments", "deploymnts: {}", ["1:1 unknown-key"]),
        ("deployments", "sources: {}", ["1:1 unknown-key"]),
        ("deployments", "deployments:\n  - name: x", ["2:3 wrong-type"]),
        (
            "deployments",
            'deployments:\n  "a/b": {}\n  "c%": {}\n  "": {}',
            ["2:3 wrong-form", "3:3 wrong-form", "4:3 wrong-form"],
        ),
        (
            "deployments",
            "deployments:\n  X:\n    entrypoint: a\n    watch: {late: 4h}",
            ["3:17 wrong-form", "4:5 unknown-key"],
        ),
        ("deployments", "deployments: {X: {tags: hola}}", ["1:25 wrong-type"]),
        (
            "deployments",
            'deployments: {X: {tags: [1, "managed-by:a/b/c", ""]}}',
            ["1:26 wrong-type", "1:29 wrong-form", "1:49 wrong-value"],
        ),
        ("deployments", "deployments: {X: {concurrency_limit: 0}}", ["1:38 wrong-value"]),
        (
            "deployments",
            "deployments: {X: {concurrency_limit: {share: softland}}}",
            ["1:19 missing-key", "1:39 unknown-key"],
        ),
        (
            "deployments",
            "deployments: {X: {concurrency_limit: {shared: softland, limit: 1}}}",
            ["1:57 conflicting-keys"],
        ),
        (
            "shared",
            "variables: {a: {}, B: {value: 1}}\nsecrets: {a: {value: x}, b_c: }\nconcurrency_limits: {a: {}}",
            ["1:13 missing-key", "1:20 wrong-form", "2:15 unknown-key", "2:26 wrong-form", "3:22 missing-key"],
        ),
        (
            "deployments",
            "deployments: {X: {concurrency_limit: {limit: 1, collision_strategy: x, grace_period_seconds: 5}}}",
            ["1:69 wrong-value", "1:94 wrong-value"],
        ),
        ("deployments", "deployments: {X: {paused: {until: x}}}", ["1:35 wrong-form"]),
        ("deployments", "deployments: {X: {paused: {reason: x}}}", ["1:19 missing-key"]),
        ("deployments", "deployments: {X: {enforce_parameter_schema: {}}}", ["1:45 wrong-type"]),
        ("deployments", "deployments: {X: {replaces: a/b}}", ["1:29 wrong-form"]),
        ("deployments", "defaults: {replaces: a}", ["1:12 unknown-key"]),
        ("deployments", 'deployments: {X: {schedules: [{cron: "x"}]}}', ["1:30 wrong-type"]),
        (
            "deployments",
            'deployments:\n  X:\n    schedules:\n      a: {cron: "x", interval: 30m, use: y}',
            ["4:22 conflicting-keys", "4:37 conflicting-keys"],
        ),
        (
            "deployments",
            "defaults: {schedules: {a: {interval: 0}, b: {interval: 3x}, c: {interval: 0m}, d: {start: mañana}}}",
            ["1:38 wrong-value", "1:56 wrong-form", "1:75 wrong-form", "1:91 wrong-form"],
        ),
        (
            "deployments",
            "deployments: {X: {schedules: {a: {cron: 5, exceptt: x}}}}",
            ["1:41 wrong-type", "1:44 unknown-key"],
        ),
        ("deployments", "defaults: {name: x}", ["1:12 unknown-key"]),
        (
            "deployments",
            "deployments: {X: {parameters: [1], job_variables: x}}",
            ["1:31 wrong-type", "1:51 wrong-type"],
        ),
        ("shared", "deployments: {}\nvariable: {}", ["1:1 unknown-key", "2:1 unknown-key"]),
        (
            "shared",
            "sources:\n  a: {}\n  b: {git: x, path: y}\n  c:",
            ["2:3 missing-key", "3:15 conflicting-keys", "4:5 wrong-type"],
        ),
        (
            "shared",
            "sources: {a: {git: x, branch: a, tag: b, commit: 12ab}}",
            ["1:34 conflicting-keys", "1:42 conflicting-keys", "1:50 wrong-form"],
        ),
        ("shared", 'sources: {a: {git: "--upload-pack=x"}, b: {git: ""}}', ["1:20 wrong-form", "1:49 wrong-form"]),
        (
            "shared",
            "sources: {a: {git: x, token: {}}, b: {git: x, token: {secret: a, github_credentials: b}}}",
            ["1:23 wrong-value", "1:47 wrong-value"],
        ),
        ("shared", "sources: {a: {path: ., deploy_as: {branch: main}}}", ["1:24 missing-key"]),
        ("environments", "", ["1:1 missing-key"]),
        ("environments", "environments: {}", ["1:1 wrong-value"]),
        ("environments", "environments: {shared: {}, Prod: {}}", ["1:16 wrong-form", "1:28 wrong-form"]),
        (
            "environments",
            'environments: {a: {name: x, work_pool: "{zone}", api_url: "http://u:p@h/api"}}',
            ["1:26 wrong-form", "1:40 wrong-form", "1:59 wrong-form"],
        ),
        (
            "environments",
            "environments: {a: {api_url: [], allow_pools: {x: y}, requires: {}, name: '{name}{otro}'}}",
            ["1:29 wrong-value", "1:50 wrong-type", "1:54 unknown-key", "1:74 wrong-form"],
        ),
        (
            "environments",
            "default_timezone: 3\nenvironments: {a: {sources: {x: {brnch: y}}}}",
            ["1:19 wrong-type", "2:34 unknown-key"],
        ),
        ("pool", "name: x", ["1:1 missing-key"]),
        (
            "pool",
            "type: process\nname: Prefect x\nqueues: {a: {priority: 0}, b: 3}\nworker: {}",
            ["2:7 wrong-form", "3:24 wrong-value", "3:31 wrong-type", "4:1 unknown-key"],
        ),
        (
            "pool",
            "type: process\nbase_job_template: x.txt\nconcurrency_limit: -1",
            ["2:20 wrong-form", "3:20 wrong-value"],
        ),
        (
            "prefect",
            "name: Electra\nprefect-version: 3.8\ndeployments: [{name: x}]",
            ["1:7 wrong-form", "2:18 wrong-type", "3:14 wrong-value"],
        ),
        (
            "prefect",
            "name: x\npull:\n  - git_clone: {}\n  - a.b: {}\n    c.d: {}\n  - x",
            ["3:5 wrong-form", "4:5 wrong-value", "6:5 wrong-type"],
        ),
    ],
)
def test_what_does_not_fit(kind: str, text: str, expected: list[str]) -> None:
    assert problems(kind, text) == expected


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("deployments", "deployments: {X: {shedules: {}}}", ["'shedules' is no key of this deployment", "'schedules'"]),
        ("deployments", "deployments: {X: {workQueue: x}}", ["Did you mean 'work_queue'"]),
        ("deployments", "deployments: {X: {work_pool_name: x}}", ["Did you mean 'work_pool'"]),
        ("deployments", "deployments: {X: {zzz: x}}", ["Known here: build, concurrency_limit, description"]),
        (
            "deployments",
            'deployments: {X: {concurrency_limit: "3"}}',
            ["a whole number", "got the text '3'", "without quotes: 3"],
        ),
        ("deployments", "deployments: {X: {description: 3}}", ["expected a text, got the number 3", 'in quotes: "3"']),
        (
            "deployments",
            'deployments: {X: {enforce_parameter_schema: "si"}}',
            ["expected true or false, got the text 'si'"],
        ),
        ("deployments", "deployments: {X: {paused: {until: mañana}}}", ['expected a day such as "2026-12-15"']),
        (
            "deployments",
            "deployments: {X: {tags: compras}}",
            ["expected a list", "[compras]", "one tag for each letter"],
        ),
        (
            "deployments",
            "deployments: {X: {work_pool: {name: x}}}",
            ["expected a text, got a mapping", "only its name"],
        ),
        (
            "deployments",
            "deployments: {X: {concurrency_limit: {limit: 1, collision_strategy: enqueue}}}",
            ["expected one of ENQUEUE, CANCEL_NEW", "Did you mean ENQUEUE"],
        ),
        ("deployments", "deployments: {X: {concurrency_limit: 0}}", ["a number of at least 1, got the number 0"]),
        ("deployments", "deployments: {X: {entrypoint: x}}", ["path/to/file.py:function", "src/basic.py:basic_flow"]),
        (
            "deployments",
            'deployments: {X: {schedules: {a: {cron: "x", rrule: y}}}}',
            ["'rrule' cannot stand beside 'cron'"],
        ),
        ("shared", "sources: {a: {}}", ["one of the keys 'git' or 'path' of this source is missing"]),
        ("shared", "sources: {a: {git: x, token: {}}}", ["exactly one of 'secret', 'github_credentials'"]),
        (
            "deployments",
            "deployments: {X: {concurrency_limit: {limit: 1, shared: softland}}}",
            ["'limit' cannot stand beside 'shared'", "Prefect links one limit to a deployment"],
        ),
        ("pool", "description: x", ["the key 'type' of this pool file is missing", 'type: "process"']),
    ],
)
def test_faults_are_told_in_plain_words(kind: str, text: str, words: list[str]) -> None:
    message = said(kind, text)
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize(
    "text",
    [
        "sources: {a: {git: x, token: hunter2}}",
        "sources: {a: {git: x, token: {secret: hunter2_X}}}",
        "sources: {a: {git: ghp_hunter2, commit: ghp_hunter2}}",
        "schedules: {a: {timezone: [x], interval: 'https://user:hunter2@host/x'}}",
    ],
)
def test_what_may_be_secret_is_not_repeated(text: str) -> None:
    document, _ = read_document("f.yaml", text.encode())
    assert document is not None
    found = check(document, "shared")
    assert found
    assert [problem for problem in found if "hunter2" in problem.message + problem.hint] == []


def test_a_place_that_yaml_already_complains_of_is_not_told_twice() -> None:
    document, first = read_document("f.yaml", b"deployments:\n  X: {paused: NO, description: 07, tags: {x}, nmae: y}\n")
    assert document is not None
    assert [problem.code for problem in first] == ["boolean-word", "ambiguous-number", "key-without-value"]
    assert [problem.code for problem in check(document, "deployments")] == ["unknown-key"]


def test_order_of_the_problems_is_that_of_the_file() -> None:
    text = "deployments:\n  X: {zz: 1, tags: x}\n  Y: {aa: 1, paused: 3}\n"
    assert problems("deployments", text) == [
        "2:7 unknown-key", "2:20 wrong-type", "3:7 unknown-key", "3:22 wrong-type",
    ]  # fmt: skip


# ---------------------------------------------------------------- any value, any schema

SIGNATURE = {
    "type": "object",
    "title": "Parameters",
    "required": ["dias"],
    "properties": {
        "dias": {"type": "integer", "title": "dias"},
        "hasta": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}], "default": None},
        "cuando": {"type": "string", "format": "date-time"},
        "modo": {"$ref": "#/definitions/Modo"},
        "opciones": {
            "anyOf": [{"$ref": "#/definitions/Opciones"}, {"type": "array", "items": {"type": "integer"}}],
        },
        "letra": {"enum": ["a", "b"]},
        "password": {"type": "integer"},
        "peso": {"type": "number", "minimum": 0},
        "mixto": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
    },
    "definitions": {
        "Modo": {"enum": ["lento", "rapido"], "title": "Modo", "type": "string"},
        "Opciones": {
            "type": "object",
            "title": "Opciones",
            "required": ["a"],
            "properties": {"a": {"type": "integer"}, "b": {"type": "string"}},
        },
    },
}


def faults(value: Any, schema: Mapping[str, Any] = SIGNATURE) -> list[tuple[str, tuple[str | int, ...]]]:
    return [(fault.code, fault.at) for fault in check_value(value, schema)]


@pytest.mark.parametrize(
    "value",
    [
        {"dias": 3},
        {"dias": 3.0, "hasta": None, "opciones": {"a": 1}, "modo": "lento", "mixto": 1, "peso": 2},
        {"dias": "{{ prefect.variables.dias }}", "modo": "{{ x }}", "mixto": "{{ y }}", "opciones": "a {{ z }}"},
        {"dias": 3, "opciones": {"a": "{{ x }}", "b": "y"}},
        {"dias": 3, "opciones": [1, "{{ x }}"]},
        {"dias": {"__prefect_kind": "workspace_variable", "variable_name": "x"}},
        {"dias": 3, "opciones": {"$ref": {"block_document_id": "x"}}},
        {"dias": 3, "peso": None},
        {"dias": 3, "cuando": "2026-01-31T08:30:00-03:00", "hasta": "2026-01-31"},
    ],
)
def test_values_that_fit(value: Any) -> None:
    assert faults(value) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, [("missing-key", ())]),
        ([], [("wrong-type", ())]),
        ({"dias": "3"}, [("wrong-type", ("dias",))]),
        ({"dias": None}, [("wrong-type", ("dias",))]),
        ({"dias": True}, [("wrong-type", ("dias",))]),
        ({"dias": 1, "hasta": "ayer"}, [("wrong-form", ("hasta",))]),
        ({"dias": 1, "hasta": 3}, [("wrong-type", ("hasta",))]),
        ({"dias": 1, "cuando": "2026-13-01T00:00:00Z"}, [("wrong-form", ("cuando",))]),
        ({"dias": 1, "modo": "lnto"}, [("wrong-value", ("modo",))]),
        ({"dias": 1, "modo": None}, [("wrong-type", ("modo",))]),
        ({"dias": 1, "letra": 3}, [("wrong-value", ("letra",))]),
        ({"dias": 1, "opciones": {"b": 1}}, [("missing-key", ("opciones",)), ("wrong-type", ("opciones", "b"))]),
        ({"dias": 1, "opciones": ["x", 2, "y"]}, [("wrong-type", ("opciones", 0)), ("wrong-type", ("opciones", 2))]),
        ({"dias": 1, "opciones": 3}, [("wrong-type", ("opciones",))]),
        ({"dias": 1, "mixto": 1.5}, [("wrong-type", ("mixto",))]),
        ({"dias": 1, "peso": -1}, [("wrong-value", ("peso",))]),
    ],
)
def test_values_that_do_not_fit(value: Any, expected: list[tuple[str, tuple[str | int, ...]]]) -> None:
    assert faults(value) == expected


def test_unions_name_what_they_take() -> None:
    (fault,) = check_value({"dias": 1, "opciones": 3}, SIGNATURE)
    assert fault.message == "expected a mapping or a list, got the number 3"
    (fault,) = check_value({"dias": 1, "modo": "lnto"}, SIGNATURE)
    assert (fault.message, fault.hint) == ("expected one of lento, rapido, got the text 'lnto'", "Did you mean lento?")


def test_a_missing_parameter_is_named() -> None:
    (fault,) = check_value({}, SIGNATURE)
    assert fault == Fault(
        code="missing-key", message="the key 'dias' is missing", hint="Add the key 'dias'.", on_key=True
    )


def test_secret_parameters_are_not_repeated() -> None:
    (fault,) = check_value({"dias": 1, "password": "hunter2"}, SIGNATURE)
    assert "hunter2" not in fault.message + fault.hint


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (1, {"type": "foo"}),
        ({"a": 1}, {"properties": 3}),
        ("x", {"pattern": "("}),
        (1, {"$ref": "http://localhost:1/never-fetched"}),
        (1, {"$ref": "#/nowhere"}),
        (1, {"$ref": "#"}),
        ([1], {"items": [{"type": "string"}]}),
        ({}, {"required": 3}),
        (1, {"minimum": "x"}),
    ],
)
def test_a_schema_that_cannot_be_used_is_a_warning(value: Any, schema: Mapping[str, Any]) -> None:
    (fault,) = check_value(value, schema)
    assert (fault.code, fault.severity) == ("unusable-schema", Severity.WARNING)


# ---------------------------------------------------------------- anything at all

KEYS = sorted({key for _, _, schema in ALL for key in schema.get("properties", {})} | {"zzz", "a/b", ""})
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "x", "{{ x }}", "30m", "a.py:f"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(ANYTHING, st.sampled_from(KINDS))
def test_no_file_raises(value: Any, kind: str) -> None:
    document, _ = read_document("f.yaml", yaml.safe_dump({"deployments": value, "environments": value}).encode())
    assert document is not None
    found = check(document, kind)
    assert all("\n" not in problem.message and problem.location.line >= 1 for problem in found)
    agrees = Draft202012Validator({"$ref": f"{kind}.schema.json"}, registry=REGISTRY).is_valid(document.data)
    assert agrees == (found == ()) or document.reported


@settings(max_examples=150, deadline=None)
@given(ANYTHING)
def test_no_value_raises(value: Any) -> None:
    for fault in check_value(value, SIGNATURE):
        assert fault.message
        assert "\n" not in fault.message
