"""Pictures as SVG 1.1 text, without a library."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

__all__ = ["Picture", "area"]


class Picture:
    """Elements, in the order in which they are painted; lengths are in pixels."""

    def __init__(self, width: float, font: str) -> None:
        self._width = width
        self._font = font
        self._elements: list[str] = []

    def add(self, name: str, text: str = "", /, **attributes: object) -> None:
        """Paint an element; `_` in the name of an attribute stands for `-`."""
        given = "".join(
            f" {key.replace('_', '-')}={quoteattr(_number(value))}"
            for key, value in attributes.items()
        )
        self._elements.append(f"<{name}{given}>{text}</{name}>")

    def rectangle(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        fill: str,
        tip: str = "",
        **more: object,
    ) -> None:
        """Paint a rectangle; `tip` is shown to who points at it."""
        title = f"<title>{escape(tip)}</title>" if tip else ""
        self.add("rect", title, x=x, y=y, width=width, height=height, fill=fill, **more)

    def text(
        self, x: float, y: float, text: str, *, fill: str, size: float, **more: object
    ) -> None:
        """Write; `y` is that of the baseline."""
        self.add("text", escape(text), x=x, y=y, fill=fill, font_size=size, **more)

    def render(self, height: float, background: str) -> str:
        """The whole document."""
        width = _number(self._width)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_number(height)}" '
            f'viewBox="0 0 {width} {_number(height)}" font-family={quoteattr(self._font)}>\n'
            f'<rect width="100%" height="100%" fill="{background}"/>\n'
            + "\n".join(self._elements)
            + "\n</svg>\n"
        )


def area(points: Iterable[tuple[float, float]], base: float) -> str:
    """The path that lies between the points and the horizontal at `base`."""
    listed = list(points)
    outline = " ".join(f"L{_number(x)} {_number(y)}" for x, y in listed)
    first, last = listed[0][0], listed[-1][0]
    return f"M{_number(first)} {_number(base)} {outline} L{_number(last)} {_number(base)}Z"


def _number(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
