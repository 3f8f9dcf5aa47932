"""TLS certificates: reading and checking the PEM files, and replacing them while running."""

from __future__ import annotations

import logging
import os
import ssl
import stat
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO

from syncline_server.config.settings import Settings
from syncline_server.config.validation import SettingError

__all__ = ["Certificate", "KeyPair", "read_key_pair", "reread_key_pair"]

logger = logging.getLogger("syncline.tls")

FILE_LIMIT = 1024 * 1024
"""Maximum bytes of a PEM file; a chain of certificates has some thousands."""

# Comments between the blocks of a PEM file may contain bytes that are not ASCII.
_ENCODING = "latin-1"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """PEM texts of a certificate, followed by its chain, and of its private key."""

    certificate: str
    key: str = field(repr=False)

    def context(self) -> ssl.SSLContext:
        """The SSL context of a server, with Python's defaults for ciphers and curves.

        Raises:
            ssl.SSLError: certificate and key do not match, or OpenSSL considers them too weak.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # A renegotiation costs the server more than the client, which makes it an attack.
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.set_alpn_protocols(["http/1.1"])
        # Python loads certificates only from named files. The files on disk may have changed since
        # they were read, so use temporary ones.
        with _temporary_file(self.certificate) as certificate, _temporary_file(self.key) as key:
            context.load_cert_chain(_name_of(certificate), _name_of(key))
        return context

    def describe(self) -> str:
        """One line for the log: the names in the certificate, and when it expires."""
        from cryptography import x509

        certificate = x509.load_pem_x509_certificates(self.certificate.encode(_ENCODING))[0]
        try:
            extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
            names = ", ".join(str(name.value) for name in extension.value)
        except (x509.ExtensionNotFound, ValueError):
            names = certificate.subject.rfc4514_string()
        end = certificate.not_valid_after_utc
        verb = "is valid until" if end > datetime.now(UTC) else "has expired on"
        return f"{names}; it {verb} {end:%Y-%m-%d}"


class Certificate:
    """The certificate that the server presents, replaceable while it runs.

    Attributes:
        context: SSL context of the listening sockets, fixed for their life. Its SNI callback gives
            each handshake the newest context.
    """

    def __init__(self, key_pair: KeyPair) -> None:
        self.context = self._current = key_pair.context()
        # OpenSSL calls it also for clients that send no server name.
        self.context.sni_callback = self._choose

    def renew(self, settings: Settings) -> None:
        """Read the files again for the next handshakes; existing connections are not affected.
        Unusable files change nothing."""
        key_pair = reread_key_pair(settings)
        if key_pair is not None:
            self._current = key_pair.context()

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _: ssl.SSLContext) -> None:
        connection.context = self._current


def read_key_pair(settings: Settings) -> KeyPair | None:
    """Read and check the files of the settings; None if the settings name none.

    Raises:
        SettingError: the files are unusable; one line that says why.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        if settings.tls_cert == settings.tls_key:
            return None
        raise SettingError("--tls-cert and --tls-key must be set together")
    key_pair = KeyPair(_read("--tls-cert", settings.tls_cert), _read("--tls-key", settings.tls_key))
    _check_certificate(settings.tls_cert, key_pair.certificate)
    _check_key(settings.tls_key, key_pair.key)
    try:
        key_pair.context()
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise SettingError(
                f"--tls-key {settings.tls_key} is not the key of --tls-cert {settings.tls_cert}"
            ) from None
        raise SettingError(
            f"--tls-cert {settings.tls_cert} cannot be used with its key: {error.reason or error}"
        ) from None
    logger.info("using the certificate of %s", key_pair.describe())
    return key_pair


def reread_key_pair(settings: Settings) -> KeyPair | None:
    """As `read_key_pair`, but logs a line and returns None if the files are unusable."""
    try:
        return read_key_pair(settings)
    except SettingError as error:
        logger.error("the previous certificate stays in use: %s", error)
        return None


def _read(option: str, path: str) -> str:
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            content = file.read(FILE_LIMIT) if stat.S_ISREG(status.st_mode) else b""
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingError(f"{option} {path} cannot be read: {reason}") from None
    if not content:
        raise SettingError(f"{option} {path} must be a regular file with content")
    # One file may contain both certificate and key, so check either for a private key.
    if b"PRIVATE KEY" in content and status.st_mode & stat.S_IRWXO:
        raise SettingError(
            f"{option} {path} is readable by every user of this machine; chmod o-rwx protects it"
        )
    return content.decode(_ENCODING)


def _open_at_once(path: str, flags: int) -> int:
    """Open without blocking, as a named pipe without a writer would."""
    return os.open(path, flags | os.O_NONBLOCK)


def _check_certificate(path: str, text: str) -> None:
    from cryptography import x509

    try:
        x509.load_pem_x509_certificates(text.encode(_ENCODING))
    except ValueError:
        raise SettingError(f"--tls-cert {path} contains no certificate in PEM format") from None


def _check_key(path: str, text: str) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        load_pem_private_key(text.encode(_ENCODING), None)
    except TypeError:
        raise SettingError(f"--tls-key {path} must not be encrypted by a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise SettingError(f"--tls-key {path} contains no private key in PEM format") from None


def _temporary_file(text: str) -> IO[bytes]:
    """A temporary file without a name in any directory; on Linux in memory."""
    if sys.platform == "linux":
        file: IO[bytes] = os.fdopen(os.memfd_create("pem"), "w+b")
    else:
        file = tempfile.TemporaryFile()
    file.write(text.encode(_ENCODING))
    file.flush()
    file.seek(0)
    return file


def _name_of(file: IO[bytes]) -> str:
    return f"/dev/fd/{file.fileno()}"
