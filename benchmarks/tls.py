"""Certificates for those peers that can prove who they are: both sides show one, and check the other's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

FOLDER_VARIABLE: Final = "BENCHMARKS_TLS"
"""Names the folder of the certificate, to a peer that is to use one."""

KEY: Final = "key.pem"
CERTIFICATE: Final = "certificate.pem"
NAME: Final = "localhost"


def read(folder: Path) -> tuple[bytes, bytes]:
    """Return the key and the certificate."""
    return Path(folder, KEY).read_bytes(), Path(folder, CERTIFICATE).read_bytes()


def write_certificate(folder: Path) -> None:
    """Make a key and a certificate that both sides use, signed by itself. P-256: gRPC takes no Ed25519."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    Path(folder, KEY).write_bytes(pem)
    Path(folder, CERTIFICATE).write_bytes(certificate.public_bytes(Encoding.PEM))
