from datetime import date

from prefect import flow


@flow(name="import-orders")
def import_orders(days: int, until: date | None = None) -> None:
    print(days, until)
