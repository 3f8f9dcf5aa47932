"""A certificate authority for tests, and the server certificates that it issues."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from support.limits import WAIT_LIMIT

__all__ = ["CertificateAuthority", "Identity", "serial_of", "shown_serial"]

DAY = timedelta(days=1)

TIMEOUT = WAIT_LIMIT
"""Seconds for a connection and its TLS handshake."""


class Identity:
    """The certificate and the private key of a server on this machine, in files.

    Attributes:
        certificate, key: PEM files.
        options: options of `syncline serve` that name them.
    """

    def __init__(self, directory: Path) -> None:
        self.certificate = directory / "certificate.pem"
        self.key = directory / "key.pem"
        self.options = (f"--tls-cert={self.certificate}", f"--tls-key={self.key}")

    @property
    def serial(self) -> int:
        """The serial number of the certificate."""
        return x509.load_pem_x509_certificate(self.certificate.read_bytes()).serial_number


class CertificateAuthority:
    """Issues certificates for 127.0.0.1 and localhost.

    Attributes:
        certificate: PEM file with the authority's own certificate.
    """

    def __init__(self, directory: Path) -> None:
        self.certificate = directory / "authority.pem"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("Authority of this test")
        built = self._builder("Authority of this test", self._key.public_key(), DAY)
        built = built.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        built = built.add_extension(_USAGE, critical=True)
        self.certificate.write_bytes(built.sign(self._key, SHA256()).public_bytes(Encoding.PEM))

    @cached_property
    def context(self) -> ssl.SSLContext:
        """TLS context of a client that trusts only this authority."""
        return ssl.create_default_context(cafile=self.certificate)

    def issue(
        self, directory: Path, *, life: timedelta = DAY, passphrase: bytes | None = None
    ) -> Identity:
        """Write a new certificate and its key; they replace those in `directory`.

        Args:
            life: time until the certificate expires; a negative value is the time since it expired.
            passphrase: encrypts the key; None leaves it unencrypted.
        """
        directory.mkdir(exist_ok=True)
        identity = Identity(directory)
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))
        built = self._builder("Server of this test", key.public_key(), life)
        built = built.add_extension(x509.SubjectAlternativeName(names), critical=False)
        encryption: KeySerializationEncryption = NoEncryption()
        if passphrase is not None:
            encryption = BestAvailableEncryption(passphrase)
        identity.certificate.write_bytes(built.sign(self._key, SHA256()).public_bytes(Encoding.PEM))
        identity.key.touch(mode=0o600)
        identity.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
        return identity

    def _builder(
        self, name: str, key: ec.EllipticCurvePublicKey, life: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY - abs(life))
            .not_valid_after(now + life)
        )


def shown_serial(port: int, *, server_name: str | None = None) -> int:
    """The serial number of the certificate that a server on this machine presents.

    Raises:
        OSError: the connection or the handshake failed.
    """
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), TIMEOUT) as plain,
        context.wrap_socket(plain, server_hostname=server_name) as connection,
    ):
        return serial_of(connection.getpeercert(binary_form=True))


def serial_of(certificate: bytes | None) -> int:
    """The serial number of a certificate in DER form; fails if `certificate` is None."""
    assert certificate is not None
    return x509.load_der_x509_certificate(certificate).serial_number


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


_USAGE = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
