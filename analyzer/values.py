"""JSON values as texts: to tell them apart, and to show them."""

import msgspec

LONGEST = 60


def canonical(value: object) -> str:
    """The same text for equal values: 1 and 1.0 are, 1 and "1" are not."""
    return msgspec.json.encode(_plain(value), order="sorted").decode()


def _plain(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value


def shown(value: object) -> str:
    """As people read it in a sentence: a text without quotes, nothing longer than a line."""
    text = value if isinstance(value, str) else canonical(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
