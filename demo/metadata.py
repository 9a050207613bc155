"""The one question a start must ask Kafka, without an event loop: are you there?"""

from __future__ import annotations

import socket
import struct

METADATA = 3
VERSION = 1
CORRELATION = 1
# API key, version, correlation ID, client ID "demo", no topics.
REQUEST = struct.pack(">hhih4si", METADATA, VERSION, CORRELATION, 4, b"demo", 0)


def brokers_that_answer(host: str, port: int, patience: float = 2.0) -> int:
    """How many brokers the one at this address knows of; 0 while it does not answer.

    An open port is not enough: a broker listens before it may lead partitions.
    """
    try:
        with socket.create_connection((host, port), patience) as connection:
            connection.settimeout(patience)
            connection.sendall(struct.pack(">i", len(REQUEST)) + REQUEST)
            # Size, correlation ID, then the number of brokers.
            head = b""
            while len(head) < 12:
                received = connection.recv(12 - len(head))
                if not received:
                    return 0
                head += received
    except OSError:
        return 0
    return int(struct.unpack(">iii", head)[2])
