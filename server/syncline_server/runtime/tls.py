"""TLS: a certificate and its key, read whole and shown until others take their place."""

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
"""Bytes of a PEM file, at most: a chain of certificates has some thousands."""

# Bytes that are no ASCII may stand in comments between the blocks of a PEM file.
_ENCODING = "latin-1"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """PEM texts: a certificate, with those that vouch for it after it, and its private key."""

    certificate: str
    key: str = field(repr=False)

    def context(self) -> ssl.SSLContext:
        """What a server needs for its handshakes, with Python's defaults for ciphers and curves.

        Raises:
            ssl.SSLError: the two do not belong together, or OpenSSL finds them too weak.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # A renegotiation costs the server more than the client that asks for it.
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.set_alpn_protocols(["http/1.1"])
        # Python can load them from named files only, and those on disk may be others by now.
        with _held(self.certificate) as certificate, _held(self.key) as key:
            context.load_cert_chain(_name_of(certificate), _name_of(key))
        return context

    def describe(self) -> str:
        """Whom the certificate names, and until when it is good."""
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
    """The certificate that clients are shown.

    Attributes:
        context: for the loop, which keeps it for good: each handshake asks it for the newest.
    """

    def __init__(self, key_pair: KeyPair) -> None:
        self.context = self._current = key_pair.context()
        # It is called for clients that name no server, too.
        self.context.sni_callback = self._choose

    def renew(self, settings: Settings) -> None:
        """Show what the files hold now from the next handshake on; connections that stand are left
        alone. Files that cannot be used change nothing."""
        key_pair = reread_key_pair(settings)
        if key_pair is not None:
            self._current = key_pair.context()

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _: ssl.SSLContext) -> None:
        connection.context = self._current


def read_key_pair(settings: Settings) -> KeyPair | None:
    """What the files of the settings hold now; None where there is to be no TLS.

    Raises:
        SettingError: they cannot be used; one line that says why.
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
    logger.info("the certificate is of %s", key_pair.describe())
    return key_pair


def reread_key_pair(settings: Settings) -> KeyPair | None:
    """As `read_key_pair`, but None, and a line in the log, for files that cannot be used."""
    try:
        return read_key_pair(settings)
    except SettingError as error:
        logger.error("the certificate before stays in use: %s", error)
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
        raise SettingError(f"{option} {path} must be a file that is not empty")
    # One file may hold both.
    if b"PRIVATE KEY" in content and status.st_mode & stat.S_IRWXO:
        raise SettingError(
            f"{option} {path} is open to every user of this machine; chmod o-rwx keeps it secret"
        )
    return content.decode(_ENCODING)


def _open_at_once(path: str, flags: int) -> int:
    """Not waiting for the other end of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def _check_certificate(path: str, text: str) -> None:
    from cryptography import x509

    try:
        x509.load_pem_x509_certificates(text.encode(_ENCODING))
    except ValueError:
        raise SettingError(f"--tls-cert {path} holds no certificate in PEM form") from None


def _check_key(path: str, text: str) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        load_pem_private_key(text.encode(_ENCODING), None)
    except TypeError:
        raise SettingError(f"--tls-key {path} must not be encrypted by a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise SettingError(f"--tls-key {path} holds no private key in PEM form") from None


def _held(text: str) -> IO[bytes]:
    """A file without a name in any directory; in memory where that can be."""
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
