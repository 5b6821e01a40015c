"""What goes wrong."""

import re
from ctypes import byref
from typing import NamedTuple, Optional

from . import _library


# Where recc's advice has words of the command line or of Swift, those of this package.
_WORDS = [
    (r"give it with --params", "give it in params; seed=1 fills what is missing from initialisers"),
    (r"stream\(state: ModelState\(\)\)", "stream(state=recc.State())"),
    (r"'--save-state' writes one", "save of a recc.State, or 'recc run --save-state', writes one"),
    (r" \(--allow-unused passes over what a model has no use for\)", ""),
    (r"run it with 'recc run --interpret'", 'load it with engine="interpreter"'),
    (r"gradients are taken of the whole model: recc run --grad", "gradients are taken of the whole model: grad and vjp"),
    (r"(?:give it: )?-D (\w+)=(\d+)", r"give \1=\2"),
    (r"--plan (\w[\w.]*)=([\w()]+)", r'plan={"\1": "\2"}'),
    (r"--memory (\d+[KMG]i?B)", r'memory="\1"'),
    (r"--truncate", "truncation"),
    (r"'recc explain' lists", "explain lists"),
    (r"--(plan|memory|model|params|threads|seed|weights)\b", r"\1"),
]


def _worded(text):
    """A text of recc's with its lines of help in the words of this package."""
    lines = text.split("\n")
    for k, line in enumerate(lines):
        if re.match(r"\s*(= )?help: ", line):
            lines[k] = _advice(line)
    return "\n".join(lines)


def _advice(line):
    for word, own in _WORDS:
        line = re.sub(word, own, line)
    return line


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
            words[2] = words[2] and _advice(words[2])
            problems.append(Problem(*words, parts.line or None, parts.column or None, _worded(parts.text.decode())))
        text = _worded(_library.value("error_text", handle.pointer).decode())
        return cls(text.rstrip("\n"), problems)
