"""Reads the code samples in the documentation of the vendor's installed browser SDK."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["read_readme_sample", "read_samples"]

_PACKAGE = Path(__file__).parents[2] / "node_modules" / "twilio-sync"

_COMMENT = re.compile(
    r"/\*\*(?P<text>.*?)\*/\s*(?:(?:declare|class|interface|static|readonly) )*(?P<name>\w+)",
    re.DOTALL,
)
_FENCE = re.compile(r"```(?:typescript)?\n(.*?)```", re.DOTALL)


def read_samples(owner: str) -> dict[str, str]:
    """Read the samples in the doc comments of a class or interface.

    Returns:
        code of each sample by the name of the documented member; `owner` for the type itself.

    Raises:
        LookupError: the SDK declares no such type.
    """
    text = (_PACKAGE / "builds" / "lib.d.ts").read_text()
    declared = re.search(rf"^(declare class|interface) {owner}\b", text, re.MULTILINE)
    if declared is None:
        raise LookupError(f"the vendor's SDK declares no {owner}")
    own_comment = text.rindex("/**", 0, declared.start())
    end = text.index("\n}\n", declared.start())
    samples = {}
    for comment in _COMMENT.finditer(text, own_comment, end):
        _, _, example = comment["text"].partition("@example")
        if example:
            samples[comment["name"]] = _code(re.sub(r"^ *\* ?", "", example, flags=re.MULTILINE))
    return samples


def read_readme_sample() -> str:
    """The longest sample of the SDK's README: the life of a document, from token to error."""
    fences = _FENCE.finditer((_PACKAGE / "README.md").read_text())
    return max((fence[1] for fence in fences), key=len)


def _code(example: str) -> str:
    fence = _FENCE.search(example)
    assert fence is not None, f"a sample without code: {example}"
    return fence[1]
