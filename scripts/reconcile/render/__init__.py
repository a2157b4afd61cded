"""What people and machines are shown: each renderer takes plain data. Everything from files or a server is escaped here."""
