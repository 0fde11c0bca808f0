"""CoAP messages in the form that aiocoap's layers pass around, without aiocoap's costs.

A datagram is read once, by :func:`~.scan.scan`, and what it found is what these messages hold:
options are kept encoded and decoded when somebody asks for one.  aiocoap's own classes make an
object of every option of every message, and enumeration members of numbers that strangers choose.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from aiocoap import Message
from aiocoap import options as aiocoap_options
from aiocoap.interfaces import EndpointAddress
from aiocoap.message import Direction
from aiocoap.numbers.codes import Code
from aiocoap.numbers.constants import TransportTuning
from aiocoap.numbers.optionnumbers import OptionNumber
from aiocoap.numbers.types import Type

from handshake_over_coap.carriers.datagram import Address

from .scan import Option, Scanned, option_bytes

_TYPES = tuple(map(Type, range(4)))
_DEFAULT_TUNING = TransportTuning()
_code_of = lru_cache(maxsize=256)(Code)


class Remote(EndpointAddress):  # type: ignore[misc]
    """A peer's endpoint as aiocoap sees it; one object for each peer.

    It also holds what the message layer keeps for that peer: the last few message IDs with the
    responses they drew.
    """

    scheme = "coap"
    is_multicast = False
    is_multicast_locally = False

    def __init__(self, address: Address) -> None:
        self.address = address
        self._hash = hash(address)
        self.recent: OrderedDict[int, tuple[float, Message | None]] = OrderedDict()

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Remote) and self.address == other.address)

    def __repr__(self) -> str:
        return f"<Remote {self.address}>"

    @property
    def hostinfo(self) -> str:
        """The peer as an authority component; never put on the wire."""
        return str(self.address)

    @property
    def hostinfo_local(self) -> str:
        """Not known here: the endpoint knows its own address."""
        return "localhost"

    @property
    def uri_base(self) -> str:
        """The peer as a URI."""
        return f"coap://{self.address}"

    @property
    def uri_base_local(self) -> str:
        """This side as a URI."""
        return "coap://localhost"

    @property
    def blockwise_key(self) -> Address:
        """What blocks may be combined by; blocks are handled outside aiocoap."""
        return self.address


class BlockValue(NamedTuple):
    """Value of Block1 or Block2 as aiocoap gives it; ``size_exponent`` 0 is 16 bytes."""

    block_number: int
    more: bool
    size_exponent: int

    @property
    def size(self) -> int:
        """Bytes of a block."""
        return 16 << self.size_exponent

    @property
    def start(self) -> int:
        """Where the block begins in the body, in bytes."""
        return self.block_number << (self.size_exponent + 4)


def _uint(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def _uint_of(value: bytes) -> int:
    return int.from_bytes(value, "big")


def _block(value: tuple[int, bool, int]) -> bytes:
    number, more, exponent = value
    return _uint(number << 4 | more << 3 | exponent)


def _block_of(value: bytes) -> BlockValue:
    number = int.from_bytes(value, "big")
    return BlockValue(number >> 4, bool(number & 8), number & 7)


def _single(number: int, decode: Callable[[bytes], Any], encode: Callable[[Any], bytes]) -> Any:
    """The view on an option that occurs once; ``None`` stands for its absence."""

    def get(options: Options) -> Any:
        found = options.values.get(number)
        return decode(found[0]) if found else None

    def put(options: Options, value: Any) -> None:
        options.put(number, () if value is None else (encode(value),))

    return property(get, put)


def _several(number: int, decode: Callable[[bytes], Any], encode: Callable[[Any], bytes]) -> Any:
    """The view on an option that may be repeated: a tuple of all values."""

    def get(options: Options) -> tuple[Any, ...]:
        return tuple(map(decode, options.values.get(number, ())))

    def put(options: Options, values: Iterable[Any]) -> None:
        options.put(number, tuple(map(encode, values)))

    return property(get, put)


class Options(aiocoap_options.Options):  # type: ignore[misc]
    """The options of one message, encoded: the ``values`` by number.

    What is no attribute here works as it does in aiocoap, at its cost.
    """

    __slots__ = ("_encoded", "values")

    def __init__(self, values: dict[int, tuple[bytes, ...]] | None = None) -> None:
        self.values: dict[int, tuple[bytes, ...]] = {} if values is None else values
        self._encoded: bytes | None = None

    @classmethod
    def of(cls, scanned: Scanned) -> Options:
        """The options that were recognised in a datagram."""
        values: dict[int, tuple[bytes, ...]] = {}
        for number, value in scanned.options:
            values[number] = (*values[number], value) if number in values else (value,)
        return cls(values)

    def put(self, number: int, values: tuple[bytes, ...]) -> None:
        """Set all values of an option; none removes it."""
        self._encoded = None
        if values:
            self.values[number] = values
        else:
            self.values.pop(number, None)

    def copy(self) -> Options:
        """The same again, to be changed by itself."""
        return Options(self.values.copy())

    uri_path = _several(Option.URI_PATH, bytes.decode, str.encode)
    location_path = _several(Option.LOCATION_PATH, bytes.decode, str.encode)
    request_tag = _several(Option.REQUEST_TAG, bytes, bytes)
    etag = _single(Option.ETAG, bytes, bytes)
    echo = _single(Option.ECHO, bytes, bytes)
    content_format = _single(Option.CONTENT_FORMAT, _uint_of, _uint)
    max_age = _single(Option.MAX_AGE, _uint_of, _uint)
    size1 = _single(Option.SIZE1, _uint_of, _uint)
    block1 = _single(Option.BLOCK1, _block_of, _block)
    block2 = _single(Option.BLOCK2, _block_of, _block)

    # What aiocoap's own views, and its code, stand on.

    @property
    def _options(self) -> dict[int, list[Any]]:
        return {number: list(self.get_option(OptionNumber(number))) for number in self.values}

    def get_option(self, number: Any) -> tuple[Any, ...]:
        """The options of that number as aiocoap's objects."""
        found = self.values.get(number)
        return tuple(number.create_option(decode=each) for each in found) if found else ()

    def add_option(self, option: Any) -> None:
        """Append one of aiocoap's objects."""
        number = int(option.number)
        self.put(number, (*self.values.get(number, ()), option.encode()))

    def delete_option(self, number: Any) -> None:
        """Remove all options of that number."""
        if number in self.values:
            self.put(int(number), ())

    def option_list(self) -> Iterator[Any]:
        """All options as aiocoap's objects, in the order of their numbers."""
        for number in sorted(self.values):
            yield from self.get_option(OptionNumber(number))

    def decode(self, rawdata: bytes) -> bytes:
        """Not for datagrams: they are scanned."""
        raise NotImplementedError

    def encode(self) -> bytes:
        """The options on the wire; computed once unless they change."""
        if self._encoded is None:
            values = self.values
            ordered = ((number, each) for number in sorted(values) for each in values[number])
            self._encoded = option_bytes(ordered)
        return self._encoded


class CoapMessage(Message):  # type: ignore[misc]
    """One message, either way; ``code`` is a number, ``opt`` its :class:`Options`."""

    def __init__(self, code: int, payload: bytes = b"", options: Options | None = None) -> None:
        # All that aiocoap's own constructor sets.
        self.version = 1
        self.mtype: Type | None = None
        self.mid: int | None = None
        self.code = _code_of(code)
        self.token = b""
        self.payload = payload
        self.opt = Options() if options is None else options
        self.remote: Any = None
        self.direction = Direction.OUTGOING
        self.transport_tuning = _DEFAULT_TUNING

    @classmethod
    def incoming(cls, scanned: Scanned, remote: Any, tuning: TransportTuning) -> CoapMessage:
        """A datagram that was scanned, from ``remote``."""
        message = cls(scanned.code, scanned.payload, Options.of(scanned))
        message.mtype = _TYPES[scanned.type]
        message.mid = scanned.message_id
        message.token = scanned.token
        message.remote = remote
        message.direction = Direction.INCOMING
        message.transport_tuning = tuning
        return message

    def encode(self) -> bytes:
        """The datagram."""
        if self.mtype is None or self.mid is None:
            raise TypeError("a message without type or message ID cannot be sent")
        token, payload = self.token, self.payload
        first = bytes((0x40 | self.mtype << 4 | len(token), self.code))
        head = first + self.mid.to_bytes(2, "big") + token + self.opt.encode()
        return head + b"\xff" + payload if payload else head

    def size(self, token_length: int) -> int:
        """Bytes of the datagram, with a token of ``token_length`` bytes."""
        payload = len(self.payload)
        return 4 + token_length + len(self.opt.encode()) + payload + (payload > 0)
