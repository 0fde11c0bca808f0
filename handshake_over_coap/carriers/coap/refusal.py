"""What a response means to a client: the error that it stands for, or where to go on."""

from __future__ import annotations

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.coap.codes import Code
from handshake_over_coap.encodings.alert import CONTENT_FORMAT as ALERT_CONTENT_FORMAT
from handshake_over_coap.encodings.alert import decode_alert
from handshake_over_coap.errors import CarrierError, Error
from handshake_over_coap.tls.alerts import AlertError, alert_error
from handshake_over_coap.transfers.base import Reply

_REMEDIES = {
    Code.NOT_FOUND: "it has no handshake resource at this path",
    Code.METHOD_NOT_ALLOWED: "the resource at this path takes no handshakes",
    Code.UNSUPPORTED_CONTENT_FORMAT: "it does not know this encoding of the flights",
    Code.REQUEST_ENTITY_TOO_LARGE: "the flight is larger than it takes: shorten the chain or names",
    Code.SERVICE_UNAVAILABLE: "it is busy with other handshakes: try again later",
    Code.PROXYING_NOT_SUPPORTED: "it takes no handshakes through a proxy",
    Code.BAD_OPTION: "it does not understand an option of the request",
}


def refusal(server: Address, reply: Reply) -> Error:
    """The error that a response of ``server`` stands for."""
    if reply.content_format == ALERT_CONTENT_FORMAT:
        try:
            alert = decode_alert(reply.payload)
        except AlertError:
            return CarrierError(f"{server} sent an alert that is none", reply.dotted)
        detail = f"unsealed, in a {reply.dotted} from {server}"
        return alert_error(alert.description, received=True, level=alert.level, detail=detail)
    known = {int(code): text for code, text in _REMEDIES.items()}
    remedy = known.get(reply.code, "this is no answer of the handshake")
    return CarrierError(f"{server} answered {reply.dotted}: {remedy}", reply.dotted)


def session_path(server: Address, resource: tuple[str, ...], reply: Reply) -> tuple[str, ...]:
    """Where flight 3 goes after ``reply`` to flight 1, which went to ``resource``.

    Raises CarrierError for a Location other than a sibling of the resource.
    """
    if not reply.location:
        return resource
    sibling = len(reply.location) == len(resource) and reply.location[:-1] == resource[:-1]
    if not sibling or reply.location[-1] in ("", ".", ".."):
        named = "/" + "/".join(reply.location)
        raise CarrierError(f"{server} names {named}, which is no sibling of the resource")
    return reply.location
