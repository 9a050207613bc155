"""What the daemon and its taps write to standard error."""

import logging
import sys


def log_to_stderr(*, verbose: bool) -> None:
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    for telling in ("httpx", "httpcore"):
        # They write whole addresses down, and a webhook's holds its password.
        logging.getLogger(telling).setLevel(logging.WARNING)
    # At its most talkative it writes down what it sends to log in: the password.
    logging.getLogger("aiokafka.conn").setLevel(logging.WARNING)
    if not verbose:
        # While a broker is away the client writes lines without end; the tap says it itself.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        logging.getLogger("aiokafka.conn").setLevel(logging.CRITICAL)
        logging.getLogger("uvicorn").setLevel(logging.ERROR)
