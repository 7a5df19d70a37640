"""CSV files with a fixed header, read strictly: each fault is named by its line."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from helpers.datasets.faults import MEND, broken

LARGEST = 2**28  # bytes; a table is held in memory, a row in some hundred bytes
# Controls, separators of lines, marks that turn the direction of what follows: no title needs them, a page may suffer
UNSEEN = re.compile("[\x01-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def rows(path: Path, header: str) -> Iterator[tuple[int, list[str]]]:
    """(line number, row) for every row below `header`, whose names have commas between; UTF-8, with a BOM or without.

    Blank lines at the end are no fault.  Raises BrokenData, with the line, for what is no such table, NUL bytes too.
    """
    names, count, blank = header.split(","), -1, 0
    reader = csv.reader(io.StringIO(text_of(path), newline=""), strict=True)
    try:
        for row in reader:
            where = reader.line_num
            if not row:
                blank = blank or where
                continue
            if blank:
                raise broken(path, f"line {blank}: 0 columns instead of {len(names)}")
            if count < 0 and row != names:
                raise broken(path, f"line {where}: the header is {','.join(row)[:60]!r}, not {header!r}")
            if len(row) != len(names):
                raise broken(path, f"line {where}: {len(row)} columns instead of {len(names)}")
            if count >= 0:
                yield where, row
            count += 1
    except csv.Error as error:
        raise broken(path, f"line {reader.line_num}: {error}") from error
    if count < 1:
        raise broken(path, "has no rows")


def whole(path: Path, where: int, text: str, column: str) -> int:
    """`text` as a number of at most 15 digits.  Raises BrokenData with the line `where`."""
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise broken(path, f"line {where}: {column} is {text!r}, which is no whole number")
    return int(text)


def plain(text: str) -> str:
    """`text` on one line: what is not seen, a line break above all, becomes a space."""
    return UNSEEN.sub(" ", text).strip() if UNSEEN.search(text) else text


def text_of(path: Path) -> str:
    """The UTF-8 text of a file, without a BOM.  Raises BrokenData, with the line, for what is none or holds NUL."""
    try:
        if (size := path.stat().st_size) > LARGEST:
            raise broken(path, f"has {size:,} bytes, more than the {LARGEST:,} of the largest table")
        content = path.read_bytes()
        if (nul := content.find(0)) >= 0:
            raise broken(path, f"line {content.count(10, 0, nul) + 1}: there is a NUL byte (byte {nul:,})")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise broken(path, f"cannot be read ({error.strerror})", MEND) from error
    except UnicodeDecodeError as error:
        raise broken(path, f"is no UTF-8 text (byte {error.start:,})") from error
    except MemoryError as error:
        raise broken(path, f"has {size:,} bytes, more than the memory takes") from error
