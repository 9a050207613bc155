"""The `telemetry:` section of `nonevent.yaml`."""

from pydantic import Field, SecretStr, field_validator

from collector.settings import Duration, Section
from collector.times import US_PER_MS, parse_duration


class TelemetrySettings(Section):
    """Where nonevent's own metrics and traces go; nowhere without an address."""

    otlp: str | None = None
    headers: dict[str, SecretStr] = {}
    sample: float = Field(default=0.01, ge=0, le=1)
    """The share of batches that are traced."""
    every: Duration = "60s"
    """How often metrics are sent."""

    @field_validator("otlp")
    @classmethod
    def http_address(cls, text: str | None) -> str | None:
        if text is not None and not text.startswith(("http://", "https://")):
            raise ValueError("OTLP goes over HTTP here; write e.g. http://127.0.0.1:4318")
        return text

    def every_ms(self) -> float:
        return (parse_duration(self.every) or 0) / US_PER_MS
