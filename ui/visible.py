"""Text from the bus, made safe to look at: what cannot be seen is shown by its name."""

# Spelled out rather than as control pictures, which few terminals and fonts can draw.
# fmt: off
CONTROLS = (
    "NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL",
    "BS", "TAB", "LF", "VT", "FF", "CR", "SO", "SI",
    "DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB",
    "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS", "US",
)
# fmt: on
KEPT_IN_BLOCKS = "\n\t"


def visible(text: str, *, block: bool = False) -> str:
    """The text with control, bidi and other unprintable characters spelled out.

    A block keeps its line breaks and tabs; a line shows those as well.
    """
    if text.isprintable():
        return text
    if block:
        text = text.replace("\r\n", "\n")
    return "".join(
        c if c.isprintable() or (block and c in KEPT_IN_BLOCKS) else _spelled_out(c) for c in text
    )


def _spelled_out(character: str) -> str:
    code = ord(character)
    return f"⟨{CONTROLS[code]}⟩" if code < len(CONTROLS) else f"⟨U+{code:04X}⟩"
