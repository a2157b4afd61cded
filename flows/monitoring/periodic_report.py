"""The failures of a day or a week, sent by mail. Its parameters are in Spanish: the team fills them in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from prefect import flow, get_client, get_run_logger
from prefect.client.orchestration import PrefectClient
from prefect.runtime import flow_run
from prefect.settings import get_current_settings
from prefect.variables import Variable
from prefect_email import EmailServerCredentials  # type: ignore[import-untyped]

from flows.common.server import PAGE, ZONE, aware, rows
from flows.monitoring import mail, page, words
from flows.monitoring.failures import NAME, Gathering, Origin, Period, Report, clean

DAYS: Final = {"dia": 1, "semana": 7}
RECIPIENTS: Final = "reporte_destinatarios"
"""The Prefect variable with the recipients, where the parameter names none."""

ENDED: Final = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def period_before(end: datetime, periodo: Literal["dia", "semana"] = "dia") -> Period:
    """The day or week until a moment, by the clocks of Buenos Aires: each report begins where the one before ended."""
    there = aware(end)
    return Period(start=there - timedelta(days=DAYS[periodo]), end=there)


async def gather(client: PrefectClient, period: Period) -> Report:
    """Read the runs that ended in the period, and those due in it that are late still."""
    gathering = Gathering(period)
    start, end = period.start.isoformat(), period.end.isoformat()
    ended = {"end_time": {"after_": start, "before_": end}, "state": {"type": {"any_": ENDED}}}
    late = {"expected_start_time": {"after_": start, "before_": end}, "state": {"name": {"any_": ["Late"]}}}
    for filtered in (ended, late):
        async for row in rows(client, "/flow_runs/filter", {"flow_runs": filtered, "sort": "ID_DESC"}):
            gathering.add(row)
    before = (period.start - timedelta(microseconds=1)).isoformat()
    older = {"flow_runs": {**late, "expected_start_time": {"before_": before}}}
    count = await client.request("POST", "/flow_runs/count", json=older)
    return gathering.report(late_before=count.json())


async def origins_of(client: PrefectClient, ids: Iterable[str]) -> dict[str, Origin]:
    """The names of deployments and flows by id; those that were deleted are left out."""
    wanted = sorted(ids)
    deployments = {row["id"]: row async for row in _by_id(client, "deployments", wanted)}
    flow_ids = sorted({row["flow_id"] for row in deployments.values()} | (set(wanted) - set(deployments)))
    flows = {row["id"]: row["name"] async for row in _by_id(client, "flows", flow_ids)}
    found = {key: Origin(deployment=None, flow=clean(name, NAME)) for key, name in flows.items()}
    for key, row in deployments.items():
        found[key] = Origin(deployment=clean(row["name"], NAME), flow=clean(flows.get(row["flow_id"], ""), NAME))
    return found


async def _by_id(client: PrefectClient, kind: str, ids: Sequence[str]) -> Any:
    for first in range(0, len(ids), PAGE):
        async for row in rows(client, f"/{kind}/filter", {kind: {"id": {"any_": ids[first : first + PAGE]}}}):
            yield row


async def sheet_of(period: Period, *, ui: str | None = None) -> words.Sheet:
    """The report of a period, ready to be shown. `ui`: the address of Prefect's UI, if not that of the settings."""
    async with get_client() as client:
        report = await gather(client, period)
        origins = await origins_of(client, report.shown_origins)
    address = ui or get_current_settings().ui_url
    return words.Sheet(report=report, origins=origins, ui=_http(address), written=datetime.now(ZONE))


def _http(address: str | None) -> str | None:
    """What a link may lead to."""
    return address.rstrip("/") if address and urlsplit(address).scheme in {"http", "https"} else None


async def _credentials(block: str) -> EmailServerCredentials:
    try:
        return await EmailServerCredentials.aload(block)
    except ValueError as error:
        raise mail.MailError(
            f"No mail was sent: the block email-server-credentials/{block} cannot be read"
            f" ({str(error).splitlines()[0].rstrip('.')})."
            " Create it in the UI, under Blocks, Email Server Credentials"
        ) from None


async def _recipients(given: Sequence[str] | None) -> list[str]:
    value: Any = given or await Variable.aget(RECIPIENTS)
    found = value.replace(";", ",").split(",") if isinstance(value, str) else value or []
    if not isinstance(found, list) or not found:
        raise mail.MailError(
            f"No mail was sent: there is nobody to send it to."
            f" Give `destinatarios`, or a Prefect variable {RECIPIENTS}"
            ' with a list of addresses, such as ["ana@empresa.com"]'
        )
    addresses = list(dict.fromkeys(str(one).strip() for one in found))
    mail.check_addresses(addresses)
    return addresses


def _sender(given: str | None, credentials: EmailServerCredentials) -> str:
    sender = given or credentials.username or ""
    if "@" not in sender:
        raise mail.MailError("No mail was sent: the block's user is no mail address. Give the sender in `remitente`")
    mail.check_addresses([sender])
    return sender


@flow
async def periodic_report(  # noqa: PLR0917 - the schedules name them
    periodo: Literal["dia", "semana"] = "dia",
    destinatarios: list[str] | None = None,
    bloque: str = "correo",
    remitente: str | None = None,
    hasta: datetime | None = None,
    interfaz: str | None = None,
) -> dict[str, int]:
    """Manda por correo las fallas del día o de la semana.

    Args:
        periodo: El día o la semana que termina cuando la ejecución debía empezar.
        destinatarios: Direcciones de correo; si faltan, las de la variable reporte_destinatarios.
        bloque: El bloque Email Server Credentials con el servidor de correo.
        remitente: De quién es el correo; si falta, el usuario del bloque.
        hasta: El fin del período, para repetir un reporte viejo; sin zona es hora de Buenos Aires.
        interfaz: La dirección de la interfaz de Prefect para los enlaces, si no es la de la configuración.
    """
    logger = get_run_logger()
    # What may be missing is looked at before thousands of runs are read.
    credentials, recipients = await _credentials(bloque), await _recipients(destinatarios)
    sender = _sender(remitente, credentials)
    sheet = await sheet_of(period_before(hasta or flow_run.scheduled_start_time, periodo), ui=interfaz)
    if urlsplit(sheet.ui or "").hostname in {"127.0.0.1", "localhost", "::1"}:
        logger.warning("The links lead to %s, which readers elsewhere cannot open: set PREFECT_UI_URL", sheet.ui)
    message = mail.compose(
        subject=words.subject(sheet.report),
        sender=sender,
        recipients=recipients,
        text=words.text(sheet),
        html=page.html(sheet),
        written=sheet.written,
    )
    await asyncio.to_thread(mail.send, credentials, message, sender=sender, recipients=recipients)
    tally = sheet.report.all
    logger.info("Sent to %s: %s", ", ".join(recipients), message["Subject"])
    return {"runs": tally.total, "failures": tally.failed}
