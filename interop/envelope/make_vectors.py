"""Writes testkit/vectors/envelope-2.tsv. Needs `cryptography`; the wraps differ from run to run, as OAEP is random."""

import pathlib

from cryptography.hazmat.primitives import serialization

import envelope_2 as e

VECTORS = pathlib.Path(__file__).resolve().parents[2] / "testkit" / "vectors"
SECRET, KEY_ID = bytes(range(32)), bytes([0x11]) * 16
BINDING, OTHER = bytes([0x22]) * 16, bytes([0x33]) * 16
IDEMPOTENCY = bytes([0x44]) * 16
TEXTS = (b"# TYPE up gauge\nup 1\n", b"# TYPE up gauge\nup 1\n# EOF\n")


def private(name):
    return serialization.load_der_private_key((VECTORS / name).read_bytes(), None)


def plain(purpose, text_format):
    prefix = IDEMPOTENCY if purpose == e.PUSH else b""
    return prefix + e.literal_block(TEXTS[text_format])


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def good(wrapped):
    counter = 0
    for purpose in (e.SCRAPE, e.PUSH):
        for text_format in (0, 1):
            for attached in (wrapped, None):
                content = e.header(purpose, KEY_ID, counter, text_format, attached)
                sealed = e.encrypt(SECRET, counter, content, BINDING, plain(purpose, text_format))
                yield "ok", purpose, attached is None, content, sealed
                counter = (counter + 1) * 3
    content = e.field(99, b"later") + e.header(e.SCRAPE, KEY_ID, 2**64 - 1, 0)
    yield "ok", 0, True, content, e.encrypt(SECRET, 2**64 - 1, content, BINDING, plain(0, 0))


def bad(wrapped, for_another):
    content = e.header(e.SCRAPE, KEY_ID, 7, 0)
    sealed = e.encrypt(SECRET, 7, content, BINDING, plain(0, 0))
    yield "unknown_key", 0, False, content, sealed
    yield "tampered", 1, True, content, sealed
    yield "tampered", 0, True, content, flip(sealed, 0)
    yield "tampered", 0, True, content, flip(sealed, len(sealed) - 1)
    yield "tampered", 0, True, content, sealed[:-1]
    yield "tampered", 0, True, content, b""
    yield "tampered", 0, True, content + e.field(99, b""), sealed
    yield "tampered", 0, True, e.header(0, KEY_ID, 8, 0), sealed
    yield "tampered", 0, True, e.header(0, KEY_ID, 7, 1), sealed
    yield "tampered", 0, True, content, e.encrypt(SECRET, 7, content, OTHER, plain(0, 0))
    yield "tampered", 0, True, content, e.encrypt(bytes(32), 7, content, BINDING, plain(0, 0))
    for cut in (content[:-1], content[:-4], content + content[:4], content[4:], b""):
        yield "malformed", 0, True, cut, e.encrypt(SECRET, 7, cut, BINDING, plain(0, 0))
    for wrong in (e.header(2, KEY_ID, 7, 0), e.header(0, KEY_ID[1:], 7, 0), e.header(0, KEY_ID, 7, 2)):
        yield "malformed", 0, True, wrong, e.encrypt(SECRET, 7, wrong, BINDING, plain(0, 0))
    for wrong in (for_another, flip(wrapped, 0), wrapped[:-1], wrapped[:32]):
        content = e.header(e.SCRAPE, KEY_ID, 7, 0, wrong)
        yield "key", 0, False, content, e.encrypt(SECRET, 7, content, BINDING, plain(0, 0))
    content = e.header(e.PUSH, KEY_ID, 7, 0)
    yield "malformed", 1, True, content, e.encrypt(SECRET, 7, content, BINDING, IDEMPOTENCY[1:])


def check(key, row):
    """What is written is what this implementation itself finds."""
    reason, purpose, is_known, content, sealed = row
    known = {KEY_ID: SECRET} if is_known else {}
    try:
        e.open_sealed(key, e.entry(e.SEAL, content), sealed, BINDING, purpose, known)
        found = "ok"
    except e.Refused as refused:
        found = str(refused)
    assert found == reason, (found, row)


def main():
    key, another = private("rsa2048.pkcs8.der"), private("rsa3072.pkcs8.der")
    wrapped = e.wrap(key.public_key(), SECRET)
    rows = [*good(wrapped), *bad(wrapped, e.wrap(another.public_key(), SECRET))]
    lines = [
        "# By interop/envelope/make_vectors.py, for rsa2048.pkcs8.der. Binding 22...; content key 00 01 ... 1f with the id 11...;",
        "# idempotency key 44....",
        "# offer\tmetadata\tbinding\tknown",
        "# seal\treason, or ok\tis a push\tkey is known\tmetadata\tdata\ttext",
    ]
    for known in (None, KEY_ID):
        offer = e.offer(BINDING, known, versions=(9, 2))
        lines.append(f"offer\t{offer.hex()}\t{BINDING.hex()}\t{known.hex() if known else ''}")
    for row in rows:
        check(key, row)
        reason, purpose, is_known, content, sealed = row
        text = TEXTS[1 if b"\x05\x00\x01\x01" in content else 0] if reason == "ok" else b""
        metadata = e.entry(e.SEAL, content).hex()
        lines.append(f"seal\t{reason}\t{purpose}\t{int(is_known)}\t{metadata}\t{sealed.hex()}\t{text.hex()}")
    (VECTORS / "envelope-2.tsv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
