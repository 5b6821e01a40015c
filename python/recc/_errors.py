"""What goes wrong."""

from ctypes import byref
from typing import NamedTuple, Optional

from . import _library


class Problem(NamedTuple):
    """One of the things that are wrong."""

    id: str  # its section in docs/errors.md: "shape-mismatch"
    message: str
    help: Optional[str]
    file: Optional[str]
    line: Optional[int]
    column: Optional[int]
    text: str  # as recc prints it

    def __str__(self):
        return self.text


class Error(ValueError):
    """A program, data or a call that recc cannot take. Printed, it is what recc prints: place, line, caret and the likely mend."""

    def __init__(self, text, problems=()):
        super().__init__(text)
        self.problems = list(problems)

    @property
    def id(self):
        """The kind of the first problem; None where recc's library was not asked."""
        return self.problems[0].id if self.problems else None

    @classmethod
    def _taken(cls, pointer):
        handle = _library.Handle("error", pointer)
        problems = []
        for k in range(_library.value("error_count", pointer)):
            parts = _library.ProblemParts()
            _library.value("error_problem", pointer, k, byref(parts))
            words = [item.decode() if item else None for item in (parts.id, parts.message, parts.help, parts.file)]
            problems.append(Problem(*words, parts.line or None, parts.column or None, parts.text.decode()))
        text = _library.value("error_text", handle.pointer).decode()
        return cls(text.rstrip("\n"), problems)
