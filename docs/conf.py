"""How Sphinx builds the documentation (`make docs`)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

import syncline_protocol

DOCS = Path(__file__).parent
ROOT = DOCS.parent

project = "Syncline"
author = "the Syncline authors"
copyright = author
version = release = syncline_protocol.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    # Sections like "Raises:" of docstrings.
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    # Tabs.
    "sphinx_design",
]
exclude_patterns = ["build", "node_modules", "templates", "reference/*/index.md"]

html_theme = "furo"
html_title = f"Syncline {version}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = [("versions.js", {"type": "module"})]
templates_path = ["templates"]
# Furo's own, and the switch of versions.
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
        "sidebar/versions.html",
    ]
}
html_copy_source = False
html_show_sourcelink = False

# Directives with colons instead of backticks, which may contain code blocks.
myst_enable_extensions = ["colon_fence"]
# Code with a character that Pygments does not expect, such as … in JSX, is coloured all the same.
suppress_warnings = ["misc.highlighting_failure"]
# The anchors that a source browser gives to headings, so that one link serves both.
myst_heading_anchors = 4

# Docstrings mark code with single backticks.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "inherited-members": "Exception, str, tuple"}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True

PAGES_OF_FILES = {"CHANGELOG.md": "changelog", "CONTRIBUTING.md": "contributing"}
"""Files of the repository's root, and the pages that show them."""

LANGUAGES_WITHOUT_COLOURS = ("caddyfile", "haproxy", "svelte")
"""Languages of code blocks that Pygments does not know."""

_ALTERNATIVES = re.compile(
    r'(?:<details name="[^"]+"(?: open)?><summary>[^<]+</summary>\n.*?\n</details>\n)+', re.S
)
_ALTERNATIVE = re.compile(r"<summary>([^<]+)</summary>\n(.*?)\n</details>\n", re.S)
_LINK = re.compile(r"\[([^\]]*)\]\((?![a-z]+:|#)([^)#\s]+)(#[^)]*)?\)")


def prepare_page(app: Sphinx, page: str, source: list[str]) -> None:
    """Make of a page what the site needs: the text of `PAGES_OF_FILES`, links within it, tabs."""
    folder = (DOCS / page).parent
    for name, shown_by in PAGES_OF_FILES.items():
        if page == shown_by:
            folder = ROOT
            source[0] = (ROOT / name).read_text()
    source[0] = _LINK.sub(lambda link: _link_in_site(link, folder), source[0])
    source[0] = _ALTERNATIVES.sub(_tabs, source[0])


def _tabs(alternatives: re.Match[str]) -> str:
    """Tabs for the alternatives of an example, which a source browser folds.

    Who chooses a language gets it on every page.
    """
    items = (
        f"::::{{tab-item}} {title}\n:sync: {title}\n{content}\n::::\n"
        for title, content in _ALTERNATIVE.findall(alternatives[0])
    )
    return f":::::{{tab-set}}\n:sync-group: language\n\n{''.join(items)}:::::\n"


def _link_in_site(link: re.Match[str], folder: Path) -> str:
    """The link; plain text where it leads to a file that the site does not have."""
    text, target, anchor = link.groups(default="")
    path = (folder / target).resolve()
    if path.parent == ROOT and path.name in PAGES_OF_FILES:
        return f"[{text}](/{PAGES_OF_FILES[path.name]}.md{anchor})"
    if path.is_relative_to(DOCS):
        return f"[{text}](/{path.relative_to(DOCS)}{anchor})"
    return text


def setup(app: Sphinx) -> dict[str, Any]:
    """Register what this file adds to Sphinx."""
    for language in LANGUAGES_WITHOUT_COLOURS:
        app.add_lexer(language, TextLexer)
    app.connect("source-read", prepare_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
