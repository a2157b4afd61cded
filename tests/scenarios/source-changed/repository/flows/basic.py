from prefect import flow


@flow
def basic_flow(message: str = "Hola", times: int = 1) -> None:
    """Say it.

    Args:
        message: what is said
        times: how often
    """
    print(message * times)
