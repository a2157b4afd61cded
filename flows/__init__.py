"""The flows of this repository.

A worker runs a flow from the root of the repository, which Prefect puts on `sys.path`: flows import each other as
`flows.…`. This file makes a package of the folder, so that no package of that name elsewhere comes before it.
"""
