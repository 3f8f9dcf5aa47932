"""How hatchling builds the two distributions, `syncline` and `syncline-server`."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path
from tempfile import TemporaryDirectory
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

EXTENSION = Path("syncline_server/_speedups.c")
"""The files beside it whose names begin as its own are parts of it."""


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
    """Adds `FILES` to the wheel and to the source distribution of `syncline-server`, and the
    compiled `EXTENSION` to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            self._compile(Path(self.root) / EXTENSION.parent)
            return
        for source, target in FILES.items():
            # A wheel that is built from the source distribution finds them there.
            if (Path(self.root) / source).exists():
                build_data["force_include"][source] = target
        if self.target_name == "wheel":
            self._built = TemporaryDirectory()
            built = self._compile(Path(self._built.name))
            if built is not None:
                build_data["force_include"][str(built)] = str(EXTENSION.with_name(built.name))
                # One file serves CPython 3.11 and all later versions (PEP 384).
                build_data["pure_python"] = False
                build_data["tag"] = f"cp311-abi3-{_platform()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if built := getattr(self, "_built", None):
            built.cleanup()

    def _compile(self, directory: Path) -> Path | None:
        """Compile `EXTENSION`. It is optional: None without a compiler, unless it is required."""
        wanted = os.environ.get("SYNCLINE_BUILD_SPEEDUPS", "optional")
        if wanted == "off" or not _has_stable_abi():
            return None
        built = directory / f"{EXTENSION.stem}.abi3.so"
        made = built.with_suffix(f".{os.getpid()}")
        source = Path(self.root) / EXTENSION
        files = sorted(map(str, source.parent.glob(f"{source.stem}*.c")))
        command = [*_compiler(), *files, "-o", str(made)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            if wanted == "required":
                raise
            reason = getattr(error, "stderr", None) or str(error)
            self.app.display_warning(f"The C extension is left out, Python serves: {reason}")
            return None
        # Not in place: a server may run with the file.
        return made.replace(built)


def _has_stable_abi() -> bool:
    is_c_python = sys.implementation.name == "cpython" and sys.platform != "win32"
    return is_c_python and not sysconfig.get_config_var("Py_GIL_DISABLED")


def _compiler() -> list[str]:
    """The C compiler and its options, without the files."""
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    shared = ["-shared"]
    if sys.platform == "darwin":
        shared = ["-bundle", "-undefined", "dynamic_lookup"]
    include = f"-I{sysconfig.get_paths()['include']}"
    options = shlex.split(os.environ.get("CFLAGS", ""))
    return [*shlex.split(compiler), "-O2", "-fPIC", *options, *shared, include]


def _platform() -> str:
    """The platform as in the name of a wheel."""
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")
