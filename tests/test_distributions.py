"""The two distributions, `syncline` and `syncline-server`, built and installed as users do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import httpx2
import pytest

from support.environment import Environment
from support.server import RunningServer, clean_environ
from syncline_protocol import __version__

ROOT = Path(__file__).parents[1]

EXTENSION = "syncline_server/_speedups.abi3.so"

CAN_COMPILE = (
    shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0]) is not None
    and Path(sysconfig.get_paths()["include"], "Python.h").exists()
)
"""True where Python's own compiler and headers are."""

CLIENT = {"httpx2", "orjson", "websockets"}
"""What the client requires, and nothing else."""

CONNECT = """
import asyncio, sys
import syncline

async def main():
    async with syncline.connect(sys.argv[1], token=sys.argv[2]) as client:
        document = await client.document("from-the-wheel", data={"n": 1})
        await document.increment("/n")
        print(document.data)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheels by name, each built from its source distribution, as `make build` does."""
    out = tmp_path_factory.mktemp("dist")
    builds = [
        subprocess.Popen(
            [sys.executable, "-m", "build", "--no-isolation", f"--outdir={out}", ROOT / folder],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for folder in (".", "server")
    ]
    for build in builds:
        printed, _ = build.communicate()
        assert build.returncode == 0, printed.decode()
    assert len(list(out.glob("*.tar.gz"))) == 2
    return {path.name.partition("-")[0]: path for path in out.glob("*.whl")}


@pytest.fixture(scope="module")
def client_alone(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment(tmp_path_factory.mktemp("client"), [wheels["syncline"]])
    environment.require(CLIENT)
    return environment


@pytest.fixture(scope="module")
def with_server(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment(tmp_path_factory.mktemp("server"), wheels.values())
    environment.require([*CLIENT, *_requirements(wheels["syncline_server"])])
    return environment


def _wheel(out: Path, speedups: str, **environ: str) -> Path:
    """The wheel of the server alone, from the sources as they are."""
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", f"--outdir={out}", "server"],
        cwd=ROOT,
        env={**os.environ, "SYNCLINE_BUILD_SPEEDUPS": speedups, **environ},
        capture_output=True,
        check=True,
    )
    [wheel] = out.glob("*.whl")
    return wheel


def _metadata(wheel: Path) -> Message:
    with ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def _requirements(wheel: Path) -> list[str]:
    required = _metadata(wheel).get_all("Requires-Dist") or []
    return [each for each in required if "extra ==" not in each and "syncline" not in each]


def _files(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def _sources(folder: str, package: str, place: str = "") -> Iterator[str]:
    """The files of a package below a folder of the sources, where a wheel must have them."""
    root = ROOT / folder
    for path in (root / package).rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".so":
            yield place + path.relative_to(root).as_posix()


def test_the_wheels_have_every_file_of_their_packages_and_no_other(
    wheels: dict[str, Path],
) -> None:
    pages = "syncline_server/http/static/_js/"
    assert _files(wheels["syncline"]) == {
        *_sources("protocol", "syncline_protocol"),
        *_sources("clients/python", "syncline"),
        *_sources("clients/python", "pytest_syncline"),
    }
    assert _files(wheels["syncline_server"]) == {
        *([EXTENSION] if CAN_COMPILE else []),
        *_sources("server", "syncline_server"),
        *_sources("tools", "syncline_tools"),
        *_sources("clients/js/src", ".", pages),
    }


@pytest.mark.skipif(not CAN_COMPILE, reason="there is no C compiler")
def test_the_server_has_an_extension_for_this_platform_and_all_later_interpreters(
    wheels: dict[str, Path],
) -> None:
    assert wheels["syncline"].name.endswith("-py3-none-any.whl")
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    assert wheels["syncline_server"].name.endswith(f"-cp311-abi3-{platform}.whl")


@pytest.mark.parametrize(
    ("speedups", "compiler"), [("off", ""), ("optional", "no-such-compiler"), ("optional", "false")]
)
def test_without_an_extension_the_wheel_is_for_every_platform(
    tmp_path: Path, speedups: str, compiler: str
) -> None:
    wheel = _wheel(tmp_path, speedups, CC=compiler)
    assert wheel.name.endswith("-py3-none-any.whl")
    assert EXTENSION not in _files(wheel)


def test_a_release_fails_without_it(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        _wheel(tmp_path, "required", CC="no-such-compiler")


def test_they_require_each_other_in_one_version(wheels: dict[str, Path]) -> None:
    client, server = _metadata(wheels["syncline"]), _metadata(wheels["syncline_server"])
    of_client, of_server = client.get_all("Requires-Dist"), server.get_all("Requires-Dist")
    assert client["Version"] == server["Version"] == __version__
    assert of_client is not None and of_server is not None
    names = {re.split(r"\W", each)[0] for each in of_client if "extra ==" not in each}
    assert names == CLIENT
    assert f"syncline-server=={__version__}; extra == 'server'" in of_client
    assert f"syncline=={__version__}" in of_server


def test_the_client_alone_connects(client_alone: Environment, server: RunningServer) -> None:
    client_alone.check()
    printed = client_alone.run(CONNECT, server.url, server.token("alice"))
    assert printed == "{'n': 2}\n"


def test_the_client_alone_has_no_server_and_no_command(client_alone: Environment) -> None:
    program = """
import importlib.util
for name in ("syncline_server", "syncline_tools", "starlette", "redis", "uvicorn", "click"):
    assert importlib.util.find_spec(name) is None, name
from syncline.testing import LocalServer
try:
    LocalServer()
except RuntimeError as error:
    print(error)
"""
    assert "pip install 'syncline[server]'" in client_alone.run(program)
    assert not (client_alone.python.with_name("syncline")).exists()


def test_with_the_server_both_work(with_server: Environment, tmp_path: Path) -> None:
    with_server.check()
    process = subprocess.Popen(
        [
            with_server.python.with_name("syncline"),
            *("serve", "--demo", "--port=0", f"--data-dir={tmp_path / 'data'}"),
            "--until-stdin-ends",
        ],
        cwd=tmp_path,
        env=clean_environ({}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None and process.stdin is not None
        ready = process.stdout.readline().decode()
        assert ready.startswith(f"Syncline {__version__} is ready at ")
        url = ready.split()[-1]
        for path in ("/demo", "/syncline.js", "/syncline/client.js"):
            assert httpx2.get(url + path).text, path
        writes = "c" if CAN_COMPILE else "python"
        assert f'direct_writes="{writes}"' in httpx2.get(f"{url}/metrics").text
        token = httpx2.get(f"{url}/demo/token", params={"identity": "alice"}).json()["token"]
        assert with_server.run(CONNECT, url, token) == "{'n': 2}\n"
        process.stdin.close()  # the server stops
    assert process.returncode == 0


def test_importing_the_client_loads_nothing_of_the_server() -> None:
    program = (
        "import sys, syncline, syncline.testing; print(sorted({m.partition('.')[0] for m in "
        "sys.modules} & {'syncline_server', 'syncline_tools', 'click', 'hiredis', 'jwt', "
        "'prometheus_client', 'pytest', 'redis', 'rich', 'starlette', 'uvicorn', 'uvloop'}))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert ended.stdout == b"[]\n"


def test_both_distributions_have_the_license() -> None:
    assert (ROOT / "server/LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
