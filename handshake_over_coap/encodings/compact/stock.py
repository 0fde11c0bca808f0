"""The ClientHellos of other stacks, as they come out of the box.

OpenSSL 3.0 (its command, and by way of pyOpenSSL without tickets), GnuTLS 3.7, Mbed TLS 2.28 and
wolfSSL 5.7, each with certificates and with a pre-shared key.  Everything but random, key share and
pre-shared key is the same each time; another list of suites is written out.
"""

from __future__ import annotations

from typing import Final

from .lists import Table, Tables

_h = bytes.fromhex
Extensions = tuple[tuple[int, bytes | None], ...]

STATUS, GROUPS, POINTS, SCHEMES, ETM, EMS, TICKET, LIMIT = 5, 10, 11, 13, 22, 23, 35, 28
PSK, VERSIONS, MODES, SHARE, RENEGOTIATION, SNI = 41, 43, 45, 51, 65281, 0

_OPENSSL_SCHEMES = _h(
    "0028040305030603080708080809080a080b080408050806040105010601030303010302040205020602"
)
_OPENSSL_SUITES = (
    "c02cc030009fcca9cca8ccaac02bc02f009ec024c028006bc023c0270067c00ac0140039c009c0130033"
)
_RSA = "009d009c003d003c0035002f"
_OPENSSL_PSK = (
    "00ad00abccaeccadccac009d00a9ccab00ac00aa009c00a8003d003cc038c03600b700b3009500910035"
    "00af008dc037c03500b600b200940090002f00ae008c00ff"
)
_GNUTLS_SUITES = (
    "c02ccca9c0adc00ac02bc0acc009c030cca8c014c02fc013009dc09d0035009cc09c002f009fccaac09f0039"
)
_MBED_BEGIN = (
    "cca8cca9ccaac02cc030009fc0adc09fc024c028006bc00ac0140039c0afc0a3c087c08bc07dc073c07700c4"
    "0088c05dc061c053c049c04dc045c02bc02f009ec0acc09ec023c0270067c009c0130033c0aec0a2c086c08a"
    "c07cc072c07600be0045c05cc060c052c048c04cc044"
)
_MBED_END = (
    "009dc09d003d0035c032c02ac00fc02ec026c005c0a1c07b00c00084c08dc079c089c075c05fc063c051c04b"
    "c04fc03d009cc09c003c002fc031c029c00ec02dc025c004c0a0c07a00ba0041c08cc078c088c074c05ec062"
    "c050c04ac04ec03c"
)
_MBED_PSK_1 = (
    "ccacccad00abc0a7c03800b3c0360091c091c09bc097c0abc06dc071c06700aac0a6c03700b2c0350090c090"
    "c096c09ac0aac06cc070c066"
)
_MBED_PSK_2 = (
    "ccae00ad00b70095c093c099c06fc06900ac00b60094c092c098c06ec068ccab00a9c0a500af008dc08fc095"
    "c0a9c06bc06500a8c0a400ae008cc08ec094c0a8c06ac06400ff"
)
_WOLF_BEGIN = "c02cc02bc030c02f009f009e"
_WOLF_PSK_1 = "00ab00aa00a900a8"
_WOLF_END = "cca9cca8ccaac027c023c028c024c00ac009c014c013c0acc0aec0af006b006700390033cc14cc13cc15"
_WOLF_PSK_2 = "008d00b300af00b200ae008cc0a6c0a7ccabccacccadc037d001c0a4c0a5c0a8c0a9"
_WOLF_13 = "13011302130313041305"
_WOLF_SCHEMES = _h("001c06030503040308070806080b0805080a080408090601050104010301")
_WOLF_GROUPS = _h("000c001900180017001d00150100")


def _table(*lists: str) -> Table:
    return tuple(map(_h, lists))


OPENSSL: Final[tuple[Tables, Extensions]] = (
    Tables(
        _table(
            _OPENSSL_SUITES + _RSA + "00ff",
            _OPENSSL_SUITES + _OPENSSL_PSK,
        )
    ),
    (
        (SNI, None),
        (POINTS, _h("03000102")),
        (GROUPS, _h("000a001d0017001e00190018")),
        (TICKET, b""),
        (ETM, b""),
        (EMS, b""),
        (SCHEMES, _OPENSSL_SCHEMES),
    ),
)
PYOPENSSL: Final[tuple[Tables, Extensions]] = (
    Tables(_table(_OPENSSL_SUITES + _RSA)),
    (
        (RENEGOTIATION, b"\0"),
        (SNI, None),
        (POINTS, b"\1\0"),
        (GROUPS, _h("000a001d0017001e00180019")),
        (ETM, b""),
        (EMS, b""),
        (SCHEMES, _OPENSSL_SCHEMES),
    ),
)
GNUTLS: Final[tuple[Tables, Extensions]] = (
    Tables(
        _table(
            _GNUTLS_SUITES + "009ec09e0033",
            "00a9ccabc0a5008d00a8c0a4008cccacc036c035",
        )
    ),
    (
        (STATUS, _h("0100000000")),
        (GROUPS, _h("0014001700180019001d001e01000101010201030104")),
        (POINTS, b"\1\0"),
        (SCHEMES, _h("0020040108090804040308070501080a0805050308080601080b0806060302010203")),
        (ETM, b""),
        (EMS, b""),
        (TICKET, b""),
        (RENEGOTIATION, b"\0"),
        (LIMIT, _h("4000")),
    ),
)
MBED_TLS: Final[tuple[Tables, Extensions]] = (
    Tables(
        _table(
            _MBED_BEGIN + _MBED_END + "00ff",
            _MBED_BEGIN + _MBED_PSK_1 + _MBED_END + _MBED_PSK_2,
        )
    ),
    (
        (SNI, None),
        (SCHEMES, _h("001006030601050305010403040103030301")),
        (GROUPS, _h("001a0019001c0018001b00170016001a0015001400130012001d001e")),
        (POINTS, b"\1\0"),
        (ETM, b""),
        (EMS, b""),
        (TICKET, b""),
    ),
)
WOLFSSL_12: Final[tuple[Tables, Extensions]] = (
    Tables(
        _table(
            _WOLF_BEGIN + _WOLF_END,
            _WOLF_BEGIN + _WOLF_PSK_1 + _WOLF_END + _WOLF_PSK_2,
        )
    ),
    (
        (SCHEMES, _WOLF_SCHEMES),
        (POINTS, b"\1\0"),
        (GROUPS, _WOLF_GROUPS),
        (ETM, b""),
        (EMS, b""),
    ),
)
_WOLFSSL_13: Final[Extensions] = (
    (MODES, _h("020001")),
    (SHARE, None),
    (VERSIONS, _h("02fefc")),
    (SCHEMES, _WOLF_SCHEMES),
    (GROUPS, _WOLF_GROUPS),
    (ETM, b""),
)
WOLFSSL_13: Final[tuple[Tables, Extensions]] = (
    Tables(_table(_WOLF_13 + _WOLF_BEGIN + _WOLF_END)),
    _WOLFSSL_13,
)
WOLFSSL_13_PSK: Final[tuple[Tables, Extensions]] = (
    Tables(_table(_WOLF_13 + _WOLF_BEGIN + _WOLF_PSK_1 + _WOLF_END + _WOLF_PSK_2)),
    (*_WOLFSSL_13, (PSK, None)),
)
