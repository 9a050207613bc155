"""What `why` can say: the words of DESIGN, and how sure it is. They hang on nothing."""

from typing import Literal, get_args

Word = Literal[
    "swallowed", "never_published", "in_queue", "stalled", "consumer_down", "dead_lettered",
    "retrying", "other_path", "correlation_dropped", "late", "out_of_order", "hidden", "unobserved",
]  # fmt: skip
WORDS: tuple[Word, ...] = get_args(Word)
Confidence = Literal["certain", "likely", "possible"]
CONFIDENCES: tuple[Confidence, ...] = get_args(Confidence)
"""The surest first."""
