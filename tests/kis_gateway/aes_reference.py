"""AES-256-CBC encryption as the broker's side does it, for tests."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


def encrypt(text: str, key: str, iv: str) -> str:
    """Return base64 of the text under PKCS#7 padding; key and iv are taken as ASCII."""
    data = text.encode()
    missing = 16 - len(data) % 16
    encryptor = Cipher(algorithms.AES(key.encode()), modes.CBC(iv.encode())).encryptor()
    padded = data + bytes([missing]) * missing
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()
