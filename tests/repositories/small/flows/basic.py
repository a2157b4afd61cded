from prefect import flow


@flow
def basic_flow(message: str = "Hola") -> None:
    print(message)


def helper(message: str) -> None:
    print(message)
