"""TLS: what is refused at the start, what clients see, and certificates that change meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

import syncline
from support.api import unique
from support.certificates import CertificateAuthority, Identity, serial_of, shown_serial
from support.server import RunningServer, StartServer, refused_start
from support.socket import WAIT, native_socket
from support.twilsock import twilsock_client
from support.workers import until_workers, workers
from syncline.options import TransportChoice
from syncline_server.config.settings import Settings
from syncline_server.config.validation import SettingError
from syncline_server.runtime.tls import Certificate, KeyPair, read_key_pair, reread_key_pair


@pytest.fixture
def identity(authority: CertificateAuthority, tmp_path: Path) -> Identity:
    return authority.issue(tmp_path / "tls")


@pytest.fixture
def server(fresh_server: StartServer, identity: Identity) -> RunningServer:
    return fresh_server(*identity.options)


def made(**values: Any) -> Settings:
    return Settings(**values)


def settings(identity: Identity) -> Settings:
    return Settings(tls_cert=str(identity.certificate), tls_key=str(identity.key))


def read(identity: Identity) -> KeyPair:
    key_pair = read_key_pair(settings(identity))
    assert key_pair is not None
    return key_pair


class TestFiles:
    def test_without_them_there_is_no_tls(self) -> None:
        assert read_key_pair(Settings()) is None

    @pytest.mark.parametrize("name", ["tls_cert", "tls_key"])
    def test_one_of_them_is_not_enough(self, identity: Identity, name: str) -> None:
        with pytest.raises(SettingError, match="must be set together"):
            read_key_pair(made(**{name: str(identity.certificate)}))

    def test_they_are_reported_by_name_and_end_and_never_by_key(self, identity: Identity) -> None:
        key_pair = read(identity)
        assert key_pair.describe().startswith("localhost, 127.0.0.1; it is valid until 20")
        assert "PRIVATE" in key_pair.key and "PRIVATE" not in repr(key_pair)

    def test_a_certificate_that_has_expired_is_shown_all_the_same(
        self, authority: CertificateAuthority, tmp_path: Path
    ) -> None:
        expired = read(authority.issue(tmp_path / "expired", life=timedelta(days=-2)))
        assert "has expired on" in expired.describe()

    def test_a_key_may_be_read_by_a_group(self, identity: Identity) -> None:
        identity.key.chmod(0o640)
        assert read(identity)

    def test_what_is_no_ascii_may_stand_beside_the_blocks(self, identity: Identity) -> None:
        for path in (identity.certificate, identity.key):
            path.write_bytes("für alle\n".encode() + path.read_bytes())
        assert read(identity).context()

    def test_one_file_may_hold_both(self, identity: Identity) -> None:
        both = identity.certificate.read_bytes() + identity.key.read_bytes()
        identity.key.write_bytes(both)
        path = str(identity.key)
        assert read_key_pair(made(tls_cert=path, tls_key=path))

    def test_the_curve_of_a_key_may_stand_before_it(self, identity: Identity) -> None:
        curve = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
        identity.key.write_bytes(curve + identity.key.read_bytes())
        assert read(identity).context()

    def test_only_what_is_secure_is_spoken(self, identity: Identity) -> None:
        context = read(identity).context()
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.options & ssl.OP_NO_RENEGOTIATION
        assert context.options & ssl.OP_NO_COMPRESSION
        assert context.verify_mode == ssl.CERT_NONE

    @pytest.mark.parametrize(
        ("spoil", "said"),
        [
            (lambda i, _: i.certificate.unlink(), "--tls-cert {cert} cannot be read: No such file"),
            (lambda i, _: i.key.unlink(), "--tls-key {key} cannot be read: No such file"),
            (lambda i, _: _directory(i.key), "--tls-key {key} cannot be read: Is a dir"),
            (lambda i, _: _pipe(i.key), "--tls-key {key} must be a regular file with content"),
            (
                lambda i, _: i.certificate.write_text(""),
                "--tls-cert {cert} must be a regular file with content",
            ),
            (
                lambda i, _: i.certificate.write_text("x"),
                "--tls-cert {cert} contains no certificate",
            ),
            (lambda i, _: i.key.write_text("x"), "--tls-key {key} contains no private key"),
            (
                lambda i, _: _copy(i.key, i.certificate),
                "--tls-cert {cert} is readable by every user",
            ),
            (lambda i, _: _copy(i.certificate, i.key), "--tls-key {key} contains no private key"),
            (lambda i, o: _copy(o.key, i.key), "--tls-key {key} is not the key of --tls-cert"),
            (
                lambda i, _: _append(i.certificate, i.key),
                "--tls-cert {cert} is readable by every user",
            ),
            (lambda i, _: i.key.chmod(0o604), "--tls-key {key} is readable by every user"),
            (lambda i, _: i.key.chmod(0o602), "--tls-key {key} is readable by every user"),
        ],
    )
    def test_what_cannot_be_used_is_named(
        self,
        authority: CertificateAuthority,
        identity: Identity,
        tmp_path: Path,
        spoil: Callable[[Identity, Identity], object],
        said: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        spoil(identity, authority.issue(tmp_path / "other"))
        with pytest.raises(SettingError) as caught:
            read_key_pair(settings(identity))
        assert said.format(cert=identity.certificate, key=identity.key) in str(caught.value)
        assert reread_key_pair(settings(identity)) is None
        assert f"the previous certificate stays in use: {caught.value}" in caplog.text

    def test_a_key_under_a_passphrase_is_not_asked_for_it(
        self, authority: CertificateAuthority, tmp_path: Path
    ) -> None:
        with pytest.raises(SettingError, match="must not be encrypted by a passphrase"):
            read(authority.issue(tmp_path / "tls", passphrase=b"secret"))

    def test_a_name_that_no_file_can_have(self, identity: Identity) -> None:
        with pytest.raises(SettingError, match="cannot be read"):
            read_key_pair(Settings(tls_cert="a\0b", tls_key=str(identity.key)))

    @pytest.mark.parametrize("workers", ["1", "2"])
    def test_a_start_with_such_a_file_ends_with_one_line(
        self, tmp_path: Path, identity: Identity, workers: str
    ) -> None:
        identity.key.chmod(0o644)
        options = f"--data-dir={tmp_path / 'data'}", f"--workers={workers}", "--port=0"
        line = refused_start(*options, *identity.options)
        assert line.endswith("is readable by every user of this machine; chmod o-rwx protects it")


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _append(path: Path, other: Path) -> None:
    path.write_bytes(path.read_bytes() + other.read_bytes())


def _copy(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes())


class TestCertificate:
    @pytest.mark.parametrize("name", ["localhost", None])
    def test_each_handshake_shows_the_newest_that_can_be_used(
        self, authority: CertificateAuthority, identity: Identity, name: str | None
    ) -> None:
        certificate, first = Certificate(read(identity)), identity.serial
        assert shown(certificate, name) == first
        authority.issue(identity.certificate.parent)
        assert shown(certificate, name) == first
        certificate.renew(settings(identity))
        second = identity.serial
        assert shown(certificate, name) == second != first
        identity.key.write_text("half a key")
        certificate.renew(settings(identity))
        assert shown(certificate, name) == second


def shown(certificate: Certificate, name: str | None) -> int:
    """The serial number that a client sees which asks for a name, or for none."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(back, there, server_hostname=name)
    server = certificate.context.wrap_bio(there, back, server_side=True)
    for side in (client, server, client, server):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return serial_of(client.getpeercert(binary_form=True))


class TestConnections:
    def test_the_ready_line_and_the_urls_in_replies_say_https(
        self, secure_server: RunningServer, authority: CertificateAuthority
    ) -> None:
        assert f" at https://127.0.0.1:{secure_server.port}\n" in secure_server.ready_line
        url = f"{secure_server.url}/v1/Services/default/Documents"
        reply = httpx2.post(url, auth=secure_server.basic, verify=authority.context)
        assert reply.json()["url"].startswith(f"{secure_server.url}/v1/Services/IS")

    async def test_who_does_not_know_the_authority_does_not_go_on(
        self, secure_server: RunningServer
    ) -> None:
        with pytest.raises(httpx2.ConnectError, match="certificate verify failed"):
            httpx2.get(f"{secure_server.url}/healthz")
        with pytest.raises(syncline.ConnectionLost, match="certificate verify failed"):
            await syncline.connect(secure_server.url, token=secure_server.token(), open_timeout=1)

    @pytest.mark.parametrize("transport", ["websocket", "rest"])
    async def test_the_python_client_receives_changes(
        self,
        secure_server: RunningServer,
        authority: CertificateAuthority,
        transport: TransportChoice,
    ) -> None:
        options: dict[str, Any] = {"token": secure_server.token(), "ssl": authority.context}
        async with syncline.connect(secure_server.url, transport=transport, **options) as client:
            document = await client.document(unique(), data={"n": 0})
            events = document.events()
            async with syncline.connect(secure_server.url, **options) as other:
                await (await other.document(document.sid)).increment("/n")
            async with asyncio.timeout(WAIT):
                event = await anext(events)
            assert isinstance(event, syncline.Updated) and event.data == {"n": 1}
            assert client.transport == transport

    async def test_a_twilsock_is_let_in(
        self, secure_server: RunningServer, authority: CertificateAuthority
    ) -> None:
        async with twilsock_client(secure_server, ssl=authority.context) as client:
            assert client.welcome["status"]["code"] == 200

    async def test_a_message_that_is_too_large_is_refused_with_the_reason(
        self, secure_server: RunningServer, authority: CertificateAuthority
    ) -> None:
        async with native_socket(secure_server, ssl=authority.context) as client:
            await client.connection.send("x" * 300_000)
            code, _ = await client.closed()
        assert code == 1009

    async def test_a_slow_reader_gets_the_newest_state(
        self, secure_server: RunningServer, authority: CertificateAuthority
    ) -> None:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", secure_server.port))
        raw.setblocking(False)
        tls: dict[str, Any] = {"ssl": authority.context, "server_hostname": "localhost"}
        slow = native_socket(secure_server, sock=raw, max_queue=1, ping_interval=None, **tls)
        async with native_socket(secure_server, ssl=authority.context) as writer, slow as reader:
            sid = (await reader.document("open", document=unique()))["sid"]
            for n in range(600):
                data = {"n": n, "text": "x" * 16_000}
                newest = await writer.document("set", document=sid, data=data)
            revisions = await reader.updates(newest["revision"])
        assert revisions == sorted(set(revisions), key=int)
        assert len(revisions) < 300

    def test_http_1_1_is_what_is_agreed_on(
        self, secure_server: RunningServer, authority: CertificateAuthority
    ) -> None:
        context = ssl.create_default_context(cafile=authority.certificate)
        context.set_alpn_protocols(["h2", "http/1.1"])
        plain = socket.create_connection(("127.0.0.1", secure_server.port), WAIT)
        with context.wrap_socket(plain, server_hostname="localhost") as connection:
            assert connection.selected_alpn_protocol() == "http/1.1"
            assert connection.version() == "TLSv1.3"
            assert connection.compression() is None

    @pytest.mark.parametrize("said", [b"", b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"])
    def test_who_speaks_no_tls_is_dropped_and_harms_nobody(
        self,
        fresh_server: StartServer,
        identity: Identity,
        authority: CertificateAuthority,
        said: bytes,
    ) -> None:
        server = fresh_server(*identity.options, "--header-timeout=0.5")
        with socket.create_connection(("127.0.0.1", server.port), WAIT) as plain:
            plain.sendall(said)
            with suppress(ConnectionResetError):
                assert b"HTTP/" not in plain.recv(1024)
                assert plain.recv(1024) == b""
        assert httpx2.get(f"{server.url}/healthz", verify=authority.context).status_code == 200
        assert "Traceback" not in server.log.read_text()

    async def test_connected_clients_are_notified_of_a_stop(
        self, server: RunningServer, authority: CertificateAuthority
    ) -> None:
        async with native_socket(server, ssl=authority.context) as client:
            stopping = asyncio.create_task(asyncio.to_thread(server.stop))
            assert (await client.closed())[0] == 4000
        assert await stopping == 0
        assert "ERROR" not in server.log.read_text()


class TestRenewal:
    async def test_new_connections_get_the_new_certificate_and_old_ones_stay(
        self, server: RunningServer, identity: Identity, authority: CertificateAuthority
    ) -> None:
        first = identity.serial
        async with native_socket(server, ssl=authority.context) as client:
            document = await client.document("open", document=unique(), data={"n": 0})
            authority.issue(identity.certificate.parent)
            assert identity.serial != first
            server.process.send_signal(signal.SIGHUP)
            await until_shown(server, identity.serial)
            assert shown_serial(server.port, server_name="localhost") == identity.serial
            async with native_socket(server, ssl=authority.context) as other:
                await other.ok("set", document=document["sid"], data={"n": 1})
            assert (await client.event())["document"]["data"] == {"n": 1}

    async def test_files_that_cannot_be_used_change_nothing(
        self, server: RunningServer, identity: Identity, authority: CertificateAuthority
    ) -> None:
        first = identity.serial
        certificate = identity.certificate.read_bytes()
        identity.certificate.write_text("half a certif")
        server.process.send_signal(signal.SIGHUP)
        await until_logged(server, "the previous certificate stays in use: --tls-cert")
        assert shown_serial(server.port) == first

        identity.certificate.write_bytes(certificate)
        authority.issue(identity.certificate.parent)
        server.process.send_signal(signal.SIGHUP)
        await until_shown(server, identity.serial)


class TestRenewalOfWorkers:
    @pytest.fixture
    def server(self, fresh_server: StartServer, identity: Identity) -> RunningServer:
        return fresh_server("--workers=2", *identity.options)

    async def test_each_shows_the_new_certificate_and_nobody_is_lost(
        self, server: RunningServer, identity: Identity, authority: CertificateAuthority
    ) -> None:
        before = workers(server)
        token, tls = server.token(), authority.context
        async with syncline.connect(server.url, token=token, ssl=tls) as client:
            document = await client.document(unique())
            authority.issue(identity.certificate.parent)
            server.process.send_signal(signal.SIGHUP)
            await until_workers(server, before)
            # The kernel chooses who of them answers.
            shown = [shown_serial(server.port) for _ in range(20)]
            assert set(shown) == {identity.serial}
            await document.increment("/n")
            assert document.data == {"n": 1}

    async def test_files_that_cannot_be_used_replace_nobody_and_hinder_no_replacement(
        self, server: RunningServer, identity: Identity
    ) -> None:
        before, first = workers(server), identity.serial
        identity.key.write_text("half a key")
        server.process.send_signal(signal.SIGHUP)
        await until_logged(server, "the previous certificate stays in use: --tls-key")
        assert workers(server) == before

        for process_id in before:
            os.kill(process_id, signal.SIGKILL)
        await until_workers(server, before)
        await until_shown(server, first)


async def until_shown(server: RunningServer, serial: int) -> None:
    """Return when new connections get that certificate."""
    async with asyncio.timeout(2 * WAIT):
        while await asyncio.to_thread(_shown, server) != serial:
            await asyncio.sleep(0.05)


def _shown(server: RunningServer) -> int | None:
    with suppress(OSError):
        return shown_serial(server.port)
    return None


async def until_logged(server: RunningServer, text: str) -> None:
    """Return when the log holds that."""
    async with asyncio.timeout(WAIT):
        while text not in server.log.read_text():
            await asyncio.sleep(0.02)
