"""The door to a server: which one (`target`), reading it (`reading`), writing to it (`writing`), Prefect's own embedded one (`embedded`)."""
