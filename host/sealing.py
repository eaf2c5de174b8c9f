"""Sealing to a public key: whoever writes cannot read it again, only the holder of the private key can. Bytes in, bytes out.

A sealed text is the sender's one-time X25519 public key (32 bytes), a nonce (12) and the AES-256-GCM ciphertext with its tag. The key
comes from the shared secret by HKDF-SHA-256 over both public keys; `aad` names the place, so that nothing can be moved elsewhere.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_KEY, _NONCE, _TAG = 32, 12, 16
_PURPOSE = b"latchkey sealed 1"


class NotSealedForUs(ValueError):
    """Another key, another place, or damage."""


def seal(public: bytes, text: bytes, aad: str) -> bytes:
    """Return `text` sealed to the X25519 public key `public` (32 bytes) for the place `aad`. Twice the same is never the same."""
    once = X25519PrivateKey.generate()
    sender, nonce = once.public_key().public_bytes_raw(), os.urandom(_NONCE)
    key = _key(once.exchange(X25519PublicKey.from_public_bytes(public)), sender, public)
    return sender + nonce + AESGCM(key).encrypt(nonce, text, aad.encode())


def unseal(private: bytes, sealed: bytes, aad: str) -> bytes:
    """Return the text that was sealed to `private`'s public key for the same place; raise NotSealedForUs otherwise."""
    if len(sealed) < _KEY + _NONCE + _TAG:
        raise NotSealedForUs("too short")
    ours = X25519PrivateKey.from_private_bytes(private)
    sender, nonce, rest = sealed[:_KEY], sealed[_KEY : _KEY + _NONCE], sealed[_KEY + _NONCE :]
    key = _key(ours.exchange(X25519PublicKey.from_public_bytes(sender)), sender, ours.public_key().public_bytes_raw())
    try:
        return AESGCM(key).decrypt(nonce, rest, aad.encode())
    except InvalidTag as error:
        raise NotSealedForUs("another key, another place, or damage") from error


def _key(shared: bytes, sender: bytes, public: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=sender + public, info=_PURPOSE).derive(shared)
