"""TLS for loopback: a certificate authority of this data folder, and a server certificate under it.

kubectl and client-go send a bearer token only over TLS (client-go `clientcmd`: "only try to read
the auth information if we are secure"), so plain HTTP is no choice even on loopback.
"""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_VALID = timedelta(days=3650)
_AUTHORITY = "simulacra-embedded-ca"


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(subject: str, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    start = datetime.now(UTC) - timedelta(hours=1)  # tolerant of a clock that was set back a little
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(_AUTHORITY))
        .public_key(public)
    )
    builder = (
        builder.serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _VALID)
    )
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)


def _usage(sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        not sign_certificates,
        False,
        False,
        False,
        False,
        sign_certificates,
        sign_certificates,
        False,
        False,
    )


def _authority() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_AUTHORITY, key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return builder.add_extension(_usage(True), critical=True).sign(key, hashes.SHA256()), key


def ensure(folder: Path) -> tuple[Path, Path, Path]:
    """Create what is missing; the authority's private key is never written.

    The folder exists, readable by its owner only.

    Returns:
        Paths of the authority's certificate, the server certificate and the server key (PEM).
    """
    ca_path, crt_path, key_path = folder / "ca.crt", folder / "tls.crt", folder / "tls.key"
    if all(path.exists() for path in (ca_path, crt_path, key_path)):
        return ca_path, crt_path, key_path
    authority, authority_key = _authority()
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    certificate = (
        _builder("127.0.0.1", key.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key_path.touch(mode=0o600)
    key_path.write_bytes(private)
    crt_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    ca_path.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    return ca_path, crt_path, key_path
