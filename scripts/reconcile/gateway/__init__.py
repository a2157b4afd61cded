"""The door to a server.

Which one (`target`), reading it (`reading`), writing to it (`writing`), and Prefect's own embedded one (`embedded`).
"""
