"""The pages' and the API's part of `nonevent.yaml`."""

from pydantic import SecretStr, field_validator

from collector.settings import Section


class HttpSettings(Section):
    """Where to listen. Another address than loopback needs a token."""

    listen: str = "127.0.0.1:8321"
    token: SecretStr | None = None
    link_base: str | None = None
    """How people reach the pages, for the links in alerts; else the address listened on."""

    @field_validator("listen")
    @classmethod
    def host_and_port(cls, text: str) -> str:
        host, _, port = text.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65535:
            raise ValueError(f"{text!r} is not HOST:PORT; write e.g. 127.0.0.1:8321")
        return text

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])
