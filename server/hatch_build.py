"""How hatchling builds the two distributions, `syncline` and `syncline-server`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

FILES = {
    "../tools/syncline_tools": "syncline_tools",
    # Served at /syncline.js and /syncline/; in the sources the server finds it where it is.
    "../clients/js/src": "syncline_server/http/static/_js",
}
"""What `syncline-server` contains of other folders of the sources. Its source distribution has it
where the wheel has it."""


class Requirements(MetadataHookInterface):
    """Fills in fields whose requirements name the version of this release, as `{version}`."""

    def update(self, metadata: dict[str, Any]) -> None:
        version = metadata["version"]
        for field in ("dependencies", "optional-dependencies"):
            if field in self.config:
                metadata[field] = _with_version(self.config[field], version)


def _with_version(value: Any, version: str) -> Any:
    if isinstance(value, dict):
        return {name: _with_version(each, version) for name, each in value.items()}
    return [each.replace("{version}", version) for each in value]


class ServerFiles(BuildHookInterface[Any]):
    """Adds `FILES` to the wheel and to the source distribution of `syncline-server`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        for source, target in FILES.items():
            # A wheel that is built from the source distribution finds them there.
            if (Path(self.root) / source).exists():
                build_data["force_include"][source] = target
