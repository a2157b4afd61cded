"""What people and machines are shown: each renderer takes plain data.

Everything that comes from files or a server is escaped here.
"""
