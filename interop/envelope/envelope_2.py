"""Version 2 of the metrics envelope, written from docs/envelope-2.md alone."""

import hashlib
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

OFFER = b"application/x.prometheus-rsocket.offer.v2"
SEAL = b"application/x.prometheus-rsocket.seal.v2"
SCRAPE, PUSH = 0, 1
MAX_CONTENT = 8192


class Refused(Exception):
    """What the peer sent is not accepted. The text is one of the proxy's reasons."""


def field(number, value):
    return struct.pack(">BH", number, len(value)) + value


def entry(mime, content):
    """An entry of composite metadata: MIME type as a name, content."""
    return bytes([len(mime) - 1]) + mime + len(content).to_bytes(3, "big") + content


def find_entry(metadata, mime):
    at = 0
    while at < len(metadata):
        if metadata[at] & 0x80:
            name, at = None, at + 1
        else:
            end = at + 2 + metadata[at]
            name, at = metadata[at + 1 : end], end
        size = int.from_bytes(metadata[at : at + 3], "big")
        at += 3
        if at + size > len(metadata):
            return None
        if name == mime:
            return metadata[at : at + size]
        at += size
    return None


def fields(content):
    if len(content) > MAX_CONTENT:
        raise Refused("malformed")
    at, found = 0, {}
    while at < len(content):
        if at + 3 > len(content):
            raise Refused("malformed")
        number, size = struct.unpack_from(">BH", content, at)
        at += 3
        if at + size > len(content):
            raise Refused("malformed")
        found.setdefault(number, []).append(content[at : at + size])
        at += size
    return found


def once(found, number, sizes, values=None):
    got = found.get(number, [])
    if len(got) != 1 or len(got[0]) not in sizes or (values and got[0] not in values):
        raise Refused("malformed")
    return got[0]


def oaep():
    sha256 = hashes.SHA256()
    return padding.OAEP(mgf=padding.MGF1(algorithm=sha256), algorithm=sha256, label=None)


def spki(key):
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def wrap(public, secret):
    return hashlib.sha256(spki(public)).digest() + public.encrypt(secret, oaep())


def offer(binding, known=None, versions=(2,)):
    content = b"".join(field(1, bytes([version])) for version in versions) + field(2, binding)
    return entry(OFFER, content + (field(3, known) if known is not None else b""))


def literal_block(text):
    """A raw Snappy block of one literal of at most 256 bytes: the length as a varint, the tag, the text."""
    size, out = len(text), bytearray()
    while size >= 0x80:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    if text:
        out += bytes([60 << 2, len(text) - 1]) if len(text) > 60 else bytes([(len(text) - 1) << 2])
    return bytes(out) + text


def header(purpose, key_id, counter, text_format, wrapped=None):
    content = field(1, b"\x02") + field(2, bytes([purpose])) + field(3, key_id)
    content += field(4, struct.pack(">Q", counter)) + field(5, bytes([text_format]))
    return content + (field(6, wrapped) if wrapped is not None else b"")


def encrypt(secret, counter, content, binding, plain):
    nonce = bytes(4) + struct.pack(">Q", counter)
    return AESGCM(secret).encrypt(nonce, plain, content + binding)


def open_sealed(private, metadata, data, binding, purpose, known):
    """Returns what was encrypted. `known` maps ids to content keys."""
    content = find_entry(metadata, SEAL)
    if content is None:
        raise Refused("malformed")
    found = fields(content)
    once(found, 1, {1}, {b"\x02"})
    sealed_for = once(found, 2, {1}, {b"\x00", b"\x01"})
    key_id = once(found, 3, {16})
    counter = once(found, 4, {8})
    once(found, 5, {1}, {b"\x00", b"\x01"})
    wrapped = once(found, 6, range(32, MAX_CONTENT)) if 6 in found else None
    if sealed_for[0] != purpose:
        raise Refused("tampered")
    secret = known.get(key_id)
    if secret is None:
        if wrapped is None:
            raise Refused("unknown_key")
        try:
            if wrapped[:32] != hashlib.sha256(spki(private.public_key())).digest():
                raise Refused("key")
            secret = private.decrypt(wrapped[32:], oaep())
        except ValueError as error:
            raise Refused("key") from error
        if len(secret) != 32:
            raise Refused("key")
    try:
        plain = AESGCM(secret).decrypt(bytes(4) + counter, data, content + binding)
    except (InvalidTag, ValueError) as error:
        raise Refused("tampered") from error
    if purpose == PUSH and len(plain) < 16:
        raise Refused("malformed")
    return plain
