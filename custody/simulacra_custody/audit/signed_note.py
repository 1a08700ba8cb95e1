"""Signed notes (C2SP signed-note, https://c2sp.org/signed-note) with Ed25519 signatures.

A note is a text that ends in a newline, an empty line, and signature lines of the form
``— <key name> <base64(key hash || signature)>``. The key hash is the first four bytes of
``SHA-256(name || 0x0A || 0x01 || public key)``. A verifier key is written
``<name>+<hex of key hash>+<base64(0x01 || public key)>``, as transparency-log tools read it.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519 = b"\x01"
_MARK = "\N{EM DASH} "


@dataclass(frozen=True)
class VerifierKey:
    """A signer's name, without spaces and plus signs, and its Ed25519 public key of 32 bytes."""

    name: str
    public: bytes

    @property
    def key_hash(self) -> bytes:
        """The four bytes that identify the key in signature lines."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        encoded = base64.b64encode(_ED25519 + self.public).decode()
        return f"{self.name}+{self.key_hash.hex()}+{encoded}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a verifier key from its written form. Raises ValueError."""
        name, stated, encoded = [*text.strip().split("+", 2), "", ""][:3]
        raw = _decode(encoded)
        key = cls(name, raw[1:])
        if len(raw) != 33 or raw[:1] != _ED25519 or key.key_hash.hex() != stated:
            raise ValueError("a verifier key is <name>+<key hash>+<base64 of an Ed25519 key>")
        return key


def verifier_key(name: str, key: Ed25519PrivateKey) -> VerifierKey:
    """Return the verifier key of a private key."""
    return VerifierKey(name, key.public_key().public_bytes_raw())


def sign_note(text: str, name: str, key: Ed25519PrivateKey) -> bytes:
    """Return the note of a text with one signature."""
    if not text.endswith("\n"):
        raise ValueError("the text of a note must end in a newline")
    signature = verifier_key(name, key).key_hash + key.sign(text.encode())
    return f"{text}\n{_MARK}{name} {base64.b64encode(signature).decode()}\n".encode()


def note_text(note: bytes) -> str:
    """Return the text of a note, unverified. Raises ValueError."""
    text, separator, _ = note.decode().rpartition("\n\n")  # UnicodeDecodeError is a ValueError
    if not separator:
        raise ValueError("a signed note is a text, an empty line and signatures")
    return text + "\n"


def open_note(note: bytes, key: VerifierKey) -> str:
    """Return the text of a note that the key signed. Raises ValueError if it did not."""
    text = note_text(note)
    for line in note.decode().rpartition("\n\n")[2].splitlines():
        name, _, encoded = line.removeprefix(_MARK).partition(" ")
        raw = _decode(encoded)
        # Lines of other signers say nothing about this one's.
        if name != key.name or raw[:4] != key.key_hash:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(raw[4:], text.encode())
        except InvalidSignature:
            raise ValueError(f"the signature of {key.name} does not match the note") from None
        return text
    raise ValueError(f"the note has no signature of {key.name}")


def _decode(encoded: str) -> bytes:
    """Return the bytes of a base64 text, none if it is invalid."""
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return b""
