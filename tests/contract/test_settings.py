"""The list of Prefect's settings that the house knows is the installed Prefect's own."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from prefect.settings import Settings
from prefect.settings.legacy import _get_settings_fields

from reconcile import prefect_settings

pytestmark = pytest.mark.contract


def test_the_names_and_the_secrets_are_those_of_prefect() -> None:
    fields = _get_settings_fields(Settings)
    names = {name for name in fields if name.isupper()}
    secrets = {name for name, setting in fields.items() if setting.is_secret and name.isupper()}
    secrets = {name for name in secrets if not name.endswith("_CONNECTION_URL")}
    if os.environ.get("REWRITE"):
        rewrite({"NAMES": names, "SECRETS": secrets})
        return
    assert names == prefect_settings.NAMES
    assert secrets == prefect_settings.SECRETS


def rewrite(found: dict[str, set[str]]) -> None:
    path = Path(prefect_settings.__file__)
    text = path.read_text(encoding="utf-8")
    for constant, names in found.items():
        items = "".join(f'        "{name}",\n' for name in sorted(names))
        new = f"{constant}: Final = frozenset(\n    {{\n{items}    }}\n)"
        text = re.sub(rf"^{constant}: Final = frozenset\(\n.*?^\)", new, text, flags=re.DOTALL | re.MULTILINE)
    path.write_text(text, encoding="utf-8", newline="\n")
