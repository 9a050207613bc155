"""A real Apache Kafka on this machine, from Python packages alone.

One node, KRaft, loopback only. `python -m demo.broker` runs one in the foreground.
"""

from __future__ import annotations

import argparse
import base64
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from demo import child
from demo.errors import BrokerError, tail
from demo.kafka_jars import KAFKA, class_path, java, notes_file
from demo.metadata import brokers_that_answer

START_PATIENCE = 90.0  # seconds; a busy machine may take ten times the usual five

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # One node has nothing to spread these over: few partitions make the first group join quick.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
    "num.network.threads": "2",
    "num.io.threads": "4",
    # After a kill the controller waits this long before it believes that the old one is gone.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
}


class Broker:
    """One broker: its folder, its port and its process.

    Without a `folder` it makes a temporary one, which `stop` removes.
    """

    def __init__(
        self,
        folder: Path | None = None,
        port: int | None = None,
        num_partitions: int = 3,
        properties: Mapping[str, str] | None = None,
        listeners: Mapping[str, str] | None = None,
        format_options: Sequence[str] = (),
        joins: Broker | None = None,
        node: int = 1,
        java_options: Sequence[str] = (),
    ) -> None:
        """`listeners`: further ones, by name, with what they speak (SSL, SASL_SSL, …).

        `joins`: the first broker of the cluster; this one is its node number `node`.
        """
        self._temporary = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="nonevent-kafka-"))
        self.port = port or free_port()
        self._controller_port = free_port(other_than=self.port)
        self._listeners = dict(listeners or {})
        self._ports: dict[str, int] = {}
        for name in self._listeners:
            taken = {self.port, self._controller_port, *self._ports.values()}
            self._ports[name] = next(p for p in iter(free_port, 0) if p not in taken)
        self._format_options = format_options
        self._java_options = java_options
        self._joins = joins
        self._node = node
        self._settings = {"num.partitions": str(num_partitions), **(properties or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def address(self, listener: str) -> str:
        """Where a further listener listens. By name: a certificate names hosts, not addresses."""
        return f"localhost:{self._ports[listener]}"

    @property
    def controller(self) -> str:
        return f"127.0.0.1:{self._controller_port}"

    @property
    def log(self) -> Path:
        return self.folder / "broker.log"

    @property
    def pid(self) -> int | None:
        """The process that runs, if one does."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start, and return when it answers; the data of an earlier run is kept."""
        if self.pid:
            return
        if not _is_free(self.port):
            raise BrokerError(
                f"cannot start Kafka: port {self.port} of 127.0.0.1 is taken. "
                "Choose another, or leave it out to get a free one."
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            if not (self.folder / "data" / "meta.properties").exists():
                self._format()
            options = "-Xmx384m", "-Xms64m", *self._java_options
            self._process = self._java(*options, "kafka.Kafka", self._configuration())
            self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise

    def stop(self, patience: float = child.PATIENCE) -> None:
        """End it, and remove the folder if it is a temporary one."""
        if self._temporary:
            self.kill()  # its data goes anyway: nothing to shut down with care
            shutil.rmtree(self.folder, ignore_errors=True)
        elif self._process:
            child.stop(self._process, patience)
            self._process = None

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Stop with care and start again on the same port with the same data."""
        if self._process:
            child.stop(self._process)
            self._process = None
        self.start()

    def __enter__(self) -> Broker:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _java(self, *arguments: str | Path) -> subprocess.Popen[bytes]:
        program, jars = java(), class_path()
        options = (
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
            "-XX:+UseSerialGC",  # a small heap on few cores: less memory, a quicker start
            *_notes(),
            "-cp",
            ":".join(map(str, jars)),
        )
        return child.spawn([program, *options, *arguments], log=self.log, folder=self.folder)

    def _configuration(self) -> Path:
        """Write server.properties anew: a restart may have changed settings."""
        further = "".join(f",{name}://{self.address(name)}" for name in self._ports)
        speaks = "".join(f",{name}:{protocol}" for name, protocol in self._listeners.items())
        protocols = SETTINGS["listener.security.protocol.map"]
        settings = {
            **SETTINGS,
            **self._role(further),
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}{further}",
            "listener.security.protocol.map": protocols + speaks,
            "log.dirs": str(self.folder / "data"),
            **self._settings,
        }
        path = self.folder / "server.properties"
        path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        return path

    def _role(self, further: str) -> dict[str, str]:
        own = f"PLAINTEXT://{self.bootstrap}"
        if self._joins is None:
            return {
                "controller.quorum.bootstrap.servers": self.controller,
                "listeners": f"{own},CONTROLLER://{self.controller}{further}",
            }
        return {
            "process.roles": "broker",
            "node.id": str(self._node),
            "controller.quorum.bootstrap.servers": self._joins.controller,
            "listeners": own + further,
        }

    def _cluster(self) -> str:
        if self._joins is None:
            return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        formatted = (self._joins.folder / "data" / "meta.properties").read_text()
        return formatted.partition("cluster.id=")[2].split()[0]

    def _format(self) -> None:
        # Joined by "=": one ID in 64 begins with a dash, and would be taken for an option.
        words = ("kafka.tools.StorageTool", "format", f"--cluster-id={self._cluster()}")
        alone = () if self._joins else ("--standalone",)
        configured = ("-c", self._configuration())
        self._process = self._java(*words, *alone, *self._format_options, *configured)
        if code := self._process.wait():
            raise BrokerError(self.account(f"could not prepare its folder (exit code {code})"))

    def _wait_until_it_answers(self) -> None:
        give_up = time.monotonic() + START_PATIENCE
        while brokers_that_answer("127.0.0.1", self.port) == 0:
            code = self._process.poll() if self._process else 0
            if code is not None:
                raise BrokerError(self.account(f"ended while starting (exit code {code})"))
            if time.monotonic() > give_up:
                raise BrokerError(self.account(f"did not answer within {START_PATIENCE:.0f} s"))
            time.sleep(0.1)

    def account(self, what: str) -> str:
        """A sentence about it, with the end of its log."""
        log = self.log.read_text(errors="replace") if self.log.exists() else ""
        return f"Kafka {KAFKA} on {self.bootstrap} {what}. The end of its log:\n{tail(log)}"


def free_port(other_than: int = 0) -> int:
    """A port of the loopback address that nobody listens on.

    Below Linux's ephemeral range: a client that keeps connecting to a dead broker's port in
    that range can be given the very port as its own, meet itself, and block the broker.
    """
    for port in random.sample(range(15_000, 32_000), 200):
        if port != other_than and _is_free(port):
            return port
    raise BrokerError("no free port between 15000 and 32000 on 127.0.0.1: end what holds them")


def _notes() -> tuple[str, ...]:
    """Java's option to start as it once noted, where somebody had it do so (`demo.quick_start`)."""
    file = notes_file()
    return (f"-XX:AOTCache={file}",) if file.exists() else ()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As Kafka does: connections of a broker that has just ended do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def main() -> int:
    """Run a broker until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m demo.broker", description=__doc__)
    parser.add_argument("--port", type=int, help="where it listens (default: a free port)")
    parser.add_argument("--folder", type=Path, help="where its data stays (default: a new one)")
    parser.add_argument("--partitions", type=int, default=3, help="of a new topic (default: 3)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = options.folder.resolve() if options.folder else None
    try:
        with Broker(folder, options.port, options.partitions) as broker:
            print(f"Kafka {KAFKA} answers on {broker.bootstrap}; its log: {broker.log}", flush=True)
            print("Ctrl-C ends it.", flush=True)
            while broker.pid:
                time.sleep(0.5)
            raise BrokerError(broker.account("ended by itself"))
    except KeyboardInterrupt:
        return 0
    except BrokerError as error:
        parser.exit(error.exit_code, f"{error}\n")


if __name__ == "__main__":
    raise SystemExit(main())
