"""One way to write numbers: prose, claims, checks and tables.

Minus is U+2212; a no-break space stands before × and units; powers of ten are superscripts.  Everything is text that
means the same in Markdown, HTML and figures.
"""

import math

MINUS, BLANK = "\u2212", "\u00a0"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SMALLEST, LARGEST = 1e-3, 1e6  # written in full between these, as a × 10ⁿ outside
PLURALS = {"s": "es", "x": "es", "ch": "es", "sh": "es", "y": "ies"}


def number(value: float, digits: int = 3) -> str:
    """`value` to `digits` significant digits: 0.0179, 10,006; 1.13 × 10⁶ where it is 1e6 or more or under 1e-3.

    Whole numbers of type int are written in full, with commas from 10,000 on.
    """
    value = value.item() if hasattr(value, "item") else value  # NumPy's and torch's
    if isinstance(value, int) or not math.isfinite(value):
        return fixed(value, 0)
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")  # rounded first: 999,999.9 is a million
    power = int(exponent)
    if value and not SMALLEST <= abs(float(f"{mantissa}e{power}")) < LARGEST:
        return _signed(f"{mantissa}{BLANK}×{BLANK}10{str(power).translate(SUPERSCRIPTS)}")
    decimals = max(digits - 1 - power, 0) if value else 0
    return fixed(value, decimals)


def fixed(value: float, decimals: int, sign: bool = False) -> str:
    """`value` with so many decimals, commas from 10,000 on; `sign`: a plus, too.  Zero has no minus."""
    if not math.isfinite(value):
        return {math.inf: "∞", -math.inf: MINUS + "∞"}.get(float(value), "undefined")
    text = f"{float(value):.{decimals}f}"
    if abs(float(text)) >= 10_000:  # rounded first
        text = f"{float(text):,.{decimals}f}"
    if not any(digit in text for digit in "123456789"):
        text = text.lstrip("-")
    elif sign and value > 0:
        text = "+" + text
    return _signed(text)


def interval(ends, decimals: int = 2, sign: bool = False) -> str:
    """[low, high], both to the same decimals, on one line."""
    low, high = ends
    return f"[{fixed(low, decimals, sign)},{BLANK}{fixed(high, decimals, sign)}]"


def percent(share: float, decimals: int = 0, sign: bool = False) -> str:
    """A share of one, 0.753, as "75 %"."""
    return f"{fixed(100 * share, decimals, sign)}{BLANK}%"


def points(share: float, decimals: int = 1, sign: bool = True) -> str:
    """A difference of two shares as percentage points: "+1.3 points"."""
    return f"{fixed(100 * share, decimals, sign)}{BLANK}points"


def count(n: int, noun: str, plural: str | None = None) -> str:
    """ "1 seed", "5 seeds", "10,000 starts", "2 matrices" (its plural given where no rule makes it)."""
    n = int(n)
    if n == 1:
        return f"1{BLANK}{noun}"
    return f"{number(n)}{BLANK}{plural or _plural(noun)}"


def duration(seconds: float) -> str:
    """ "420 µs", "3.1 s", "7.0 min", "1.5 h": two significant digits at least."""
    for size, unit in ((3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= 2 * size or (unit == "s" and seconds >= 1) or (unit in ("ms", "µs") and seconds >= size):
            return f"{number(seconds / size, max(2, len(str(int(seconds / size)))))}{BLANK}{unit}"
    return f"{number(seconds / 1e-9, 2)}{BLANK}ns" if seconds else f"0{BLANK}s"


def times(ratio: float) -> str:
    """A ratio: "17 times", "1.4 times", "1180 times"."""
    digits = 2 if ratio < 100 else 3
    return f"{number(float(f'{ratio:.{digits}g}'), digits)}{BLANK}times"


def _plural(noun: str) -> str:
    for ending, plural in PLURALS.items():
        if noun.endswith(ending) and not noun.endswith(("ay", "ey", "oy", "epoch")):
            return (noun[:-1] if ending == "y" else noun) + plural
    return noun + "s"


def _signed(text: str) -> str:
    return text.replace("-", MINUS)
