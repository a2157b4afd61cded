from prefect import flow

@flow
def flow(:
