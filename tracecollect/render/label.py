"""Labels come from strangers: control characters shown, direction overrides cut, length bounded, width measured."""

from __future__ import annotations

import unicodedata

LONGEST = 2000
"""Characters of one label that any notation keeps; statements of 10 kB are normal, nobody reads them in a picture."""

# Advance widths of Helvetica/Arial in thousandths of the font size, for the printable ASCII range.
_WIDTHS = (
    "278278355556556889667191333333389584278333278278556556556556556556556556556556278278584584584556"
    "1015667667722722667611778722278500667556833722778667778722667611722667944667667611278278278469556"
    "333556556500556556278556556222222500222833556556556556333500278556500722500500500334260334584"
)


def _widths() -> tuple[int, ...]:
    text, found, at = _WIDTHS, [], 0
    while at < len(text):
        size = 4 if text[at : at + 4] == "1015" else 3
        found.append(int(text[at : at + size]))
        at += size
    return tuple(found)


_TABLE = _widths()


def plain(text: str, longest: int = LONGEST) -> str:
    """One line without control or direction characters, at most `longest` characters, cut with an ellipsis.

    Control characters become their Unicode pictures, so that they are seen; what turns the direction of
    writing, or is not a character at all, becomes `�`.
    """
    text = text[: longest + 1] if len(text) > longest else text
    cleaned = "".join(_shown(char) for char in text)
    return cleaned if len(cleaned) <= longest else cleaned[: max(1, longest - 1)].rstrip() + "…"


def _shown(char: str) -> str:
    if char.isascii() and char.isprintable():
        return char
    if char in "\n\r\t\u2028\u2029\x85":
        return " "
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    # Cc Cf Cs Co Cn: controls, bidi marks and joiners, lone surrogates, private and unassigned characters.
    return "�" if unicodedata.category(char).startswith("C") else char


def points(text: str, size: float, *, bold: bool = False) -> float:
    """The width of a line in points, as Arial sets it; other letters count as wide ones, so nothing overflows."""
    total = sum(_advance(char) for char in text)
    return total * size / 1000 * (1.07 if bold else 1.0)


def _advance(char: str) -> int:
    code = ord(char) - 32
    if 0 <= code < len(_TABLE):
        return _TABLE[code]
    if unicodedata.east_asian_width(char) in "WF":
        return 1000
    return 0 if unicodedata.combining(char) else 620


def fitted(text: str, width: float, size: float, *, bold: bool = False) -> str:
    """As much of a line as fits into `width` points, cut with an ellipsis."""
    text = plain(text)
    if points(text, size, bold=bold) <= width:
        return text
    room = width - points("…", size, bold=bold)
    kept, used = 0, 0.0
    for char in text:
        used += points(char, size, bold=bold)
        if used > room:
            break
        kept += 1
    return text[:kept].rstrip() + "…"


def wrapped(text: str, width: float, size: float, *, bold: bool = False, most: int = 2) -> list[str]:
    """The words of a line on at most `most` lines of `width` points; the last is cut with an ellipsis."""
    lines: list[str] = []
    line = ""
    for word in plain(text).split():
        longer = f"{line} {word}" if line else word
        if line and points(longer, size, bold=bold) > width and len(lines) < most - 1:
            lines.append(line)
            longer = word
        line = longer
    return [fitted(line, width, size, bold=bold) for line in [*lines, line] if line]
