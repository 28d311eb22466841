"""The names of hosts (RFC 1123), in lower case."""

MAX_HOST_NAME_CHARACTERS = 253

HOST_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOST_NAME = rf"({HOST_LABEL}\.)+[a-z]([a-z0-9-]{{0,61}}[a-z0-9])?"
"""At least two labels, the last of which starts with a letter: no address."""
