from prefect import flow


@flow(name="saludar")
def basic_flow(message: str = "Hola") -> None:
    print(message)
