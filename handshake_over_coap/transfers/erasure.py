"""A systematic erasure code over GF(256): any k different pieces give the k source pieces back.

Pieces 0 to k - 1 are the source itself, in order.  Every further one is a combination of all of
them: byte by byte the source pieces are values of a polynomial of degree below k, and piece n is
its value at another point.  This is the Reed-Solomon code of RFC 5510 section 8 (a Vandermonde
matrix made systematic) with the points of Rizzo's `fec`, which begin with zero: point 0 is 0 and
point n is a^(n-1), where a generates the field of x^8 + x^4 + x^3 + x^2 + 1.  Interpolation by
Lagrange gives the rows of its matrices one by one, so that no matrix is ever inverted.

Whole pieces are multiplied by one translation table and added as one integer: no loop in Python
runs over bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from handshake_over_coap.errors import Error

LARGEST_GROUP = 32
"""Pieces of the source that are coded together, at most; more only makes decoding slower."""
NUMBERS = 256
"""Different pieces that a group has, source pieces included."""

_POLYNOMIAL = 0x11D
_ORDER = 255


class ErasureError(Error):
    """Pieces that cannot be combined: too few, of different lengths, or numbered out of range."""


def _powers() -> tuple[list[int], list[int]]:
    """The powers of the generator, twice over so that sums need no reduction, and their inverse."""
    exponential, logarithm, value = [0] * (2 * _ORDER), [0] * NUMBERS, 1
    for exponent in range(_ORDER):
        exponential[exponent] = exponential[exponent + _ORDER] = value
        logarithm[value] = exponent
        value = value << 1 ^ (_POLYNOMIAL if value & 0x80 else 0)
    return exponential, logarithm


_EXP, _LOG = _powers()
_POINTS = (0, *_EXP[:_ORDER])


@lru_cache(maxsize=NUMBERS)
def _multiples(factor: int) -> bytes:
    """The products of ``factor`` with each byte, for ``bytes.translate``."""
    if factor == 0:
        return bytes(NUMBERS)
    log = _LOG[factor]
    return bytes([0, *(_EXP[log + _LOG[value]] for value in range(1, NUMBERS))])


@lru_cache(maxsize=256)
def _apart(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """For each of the pieces, log of the product of the differences of its point to the others.

    Apart from the weights, since it is the same for whatever is wanted of these pieces.
    """
    points = [_POINTS[number] for number in numbers]
    return tuple(sum(_LOG[point ^ other] for other in points if other != point) for point in points)


@lru_cache(maxsize=4096)
def _weights(numbers: tuple[int, ...], wanted: int) -> tuple[int, ...]:
    """By what each of the pieces ``numbers`` counts in piece ``wanted``, which is none of them."""
    at = _POINTS[wanted]
    factors = [_LOG[at ^ _POINTS[number]] for number in numbers]
    # log of the product over all of (at - x); each weight leaves its own factor out.
    whole = sum(factors)
    return tuple(
        _EXP[(whole - own - below) % _ORDER]
        for own, below in zip(factors, _apart(numbers), strict=True)
    )


def _combined(pieces: Mapping[int, bytes], wanted: int) -> bytes:
    """Piece ``wanted`` from as many ``pieces``, by number, as the source has."""
    numbers = tuple(pieces)
    total, length = 0, 0
    for piece, weight in zip(pieces.values(), _weights(numbers, wanted), strict=True):
        length = len(piece)
        total ^= int.from_bytes(piece.translate(_multiples(weight)), "big")
    return total.to_bytes(length, "big")


def _check(numbers: Sequence[int], pieces: Sequence[bytes], k: int) -> None:
    if not 1 <= k <= LARGEST_GROUP:
        raise ErasureError(f"a group has 1 to {LARGEST_GROUP} pieces, not {k}")
    if any(not 0 <= number < NUMBERS for number in numbers):
        raise ErasureError(f"pieces are numbered from 0 to {NUMBERS - 1}")
    if len({len(piece) for piece in pieces}) > 1:
        raise ErasureError("pieces of one group are equally long")


def piece(source: Sequence[bytes], number: int) -> bytes:
    """Piece ``number`` (0 to 255) of a source of 1 to 32 pieces of one length.

    Raises :class:`ErasureError` for anything else.
    """
    _check([number], source, len(source))
    if number < len(source):
        return source[number]
    return _combined(dict(enumerate(source)), number)


def restore(k: int, pieces: Mapping[int, bytes]) -> list[bytes]:
    """The ``k`` source pieces, from ``k`` or more pieces by number; the first k are used.

    Source pieces among them are preferred, as they cost nothing.  Raises :class:`ErasureError` when
    there are too few, and for lengths that differ.
    """
    _check(list(pieces), list(pieces.values()), k)
    if len(pieces) < k:
        raise ErasureError(f"{len(pieces)} pieces are too few to restore {k}")
    # A stable sort: among repair pieces those that came first stay first.
    chosen = dict(sorted(pieces.items(), key=lambda item: item[0] >= k)[:k])
    return [chosen[n] if n in chosen else _combined(chosen, n) for n in range(k)]
