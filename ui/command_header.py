"""The header by which a command is told from a page of another site."""

COMMAND_HEADER = "Nonevent-Command"
