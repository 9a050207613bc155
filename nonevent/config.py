"""`nonevent.yaml`: read, its ${VARIABLES} filled in, its paths made absolute, all checked."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from analyzer.settings import AlertSettings
from collector.errors import ConfigurationError
from collector.settings import KafkaSettings, Section, SourceSettings, StoreSettings
from nonevent.telemetry_settings import TelemetrySettings
from ui.settings import HttpSettings

DEFAULT_FILE = Path("nonevent.yaml")
_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}")


class Configuration(Section):
    """Everything that a daemon is started with; each section is its package's own."""

    labels: dict[str, str] = {}
    role: Literal["active", "standby"] = "active"
    """A standby judges and stores like any other, and sends nothing."""
    sources: list[SourceSettings] = []
    expectations: list[Path] = []
    store: StoreSettings = StoreSettings()
    http: HttpSettings = HttpSettings()
    alerts: AlertSettings = AlertSettings()
    telemetry: TelemetrySettings = TelemetrySettings()

    def relative_to(self, folder: Path) -> "Configuration":
        """The same with its paths taken from the file's folder."""
        sources = [source.relative_to(folder) for source in self.sources]
        store = self.store.model_copy(update={"path": folder / self.store.path})
        return self.model_copy(
            update={
                "sources": sources,
                "store": store,
                "alerts": self.alerts.relative_to(folder),
                "expectations": [folder / path for path in self.expectations],
            }
        )

    def overlaid(
        self,
        bootstrap: str | None = None,
        topics: str | None = None,
        rules: Sequence[Path] = (),
        store: Path | None = None,
    ) -> "Configuration":
        """The same with what options of a command set: each no more than it names."""
        update: dict[str, Any] = {}
        if topics is not None and bootstrap is None:
            raise ConfigurationError(
                "--topics goes with --bootstrap; of a configuration its sources say which"
            )
        if bootstrap is not None:
            globs = [glob.strip() for glob in (topics or "*").split(",") if glob.strip()]
            kafka = KafkaSettings(bootstrap=bootstrap, topics=globs)
            update["sources"] = [SourceSettings(name="kafka", kafka=kafka)]
        if rules:
            update["expectations"] = [path.absolute() for path in rules]
        if store is not None:
            update["store"] = self.store.model_copy(update={"path": store.absolute()})
        return self.model_copy(update=update)


def load_configuration(path: Path | None) -> Configuration:
    """The file's configuration; without a path that of `nonevent.yaml`, else the defaults."""
    if path is None:
        if not DEFAULT_FILE.exists():
            return Configuration()
        path = DEFAULT_FILE
    try:
        data = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        # Of a key that stands twice the library tells both values, and they may be secrets.
        problem = str(error.problem).partition(" with value ")[0]
        raise ConfigurationError(f"{path}{place}: this is not YAML: {problem}") from None
    except (YAMLError, UnicodeDecodeError, RecursionError) as error:
        problem = str(error).partition("\n")[0]
        raise ConfigurationError(f"{path}: this is not YAML: {problem}") from error
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    try:
        checked = Configuration.model_validate(_filled(data or {}, path))
    except ValidationError as error:
        raise ConfigurationError(explained(error, path)) from error
    names = [source.name for source in checked.sources]
    for name in {n for n in names if names.count(n) > 1}:
        raise ConfigurationError(f"{path}: sources: two are called `{name}`")
    return checked.relative_to(path.parent.absolute())


def _filled(value: Any, path: Path) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, path) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, path) for inner in value]
    if not isinstance(value, str):
        return value

    def variable(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise ConfigurationError(f"{path}: ${{{match[1]}}} is used, and not set")
        return os.environ[match[1]]

    return _VARIABLE.sub(variable, value)


def explained(error: ValidationError, where: object) -> str:
    """Every mistake on a line of its own. Values are not repeated: they may be secrets."""
    lines = []
    for one in error.errors(include_url=False, include_input=False):
        place = ".".join(str(part) for part in one["loc"]) or "the file"
        message = one["msg"].removeprefix("Value error, ")
        if one["type"] == "extra_forbidden":
            message = "this key is not known here"
        lines.append(f"{where}: {place}: {message}")
    return "\n".join(lines)
