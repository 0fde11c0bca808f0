"""The last state of a DTLS 1.3 handshake, which goes on for as long as the session does.

Tickets, new keys and new connection IDs come as messages after the handshake.  Each of them is to
be acknowledged, which is for the carrier; an update of our own keys takes effect when it has been.

Source: RFC 8446 sections 4.6 and 7.5, RFC 9147 sections 5.8.3, 8 and 9.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.alerts import IllegalParameter, UnexpectedMessage
from handshake_over_coap.tls.codepoints import (
    ConnectionIdUsage,
    ExtensionType,
    HandshakeType,
    KeyUpdateRequest,
    NamedGroup,
    ProtocolVersion,
)
from handshake_over_coap.tls.config import Clock
from handshake_over_coap.tls.credentials import auth_by_form, auth_by_psk
from handshake_over_coap.tls.flight import HandshakeMessage, Item
from handshake_over_coap.tls.handshake import Connected, EpochKeys, Step
from handshake_over_coap.tls.identity import PeerIdentity
from handshake_over_coap.tls.keys import TrafficKeys
from handshake_over_coap.tls.messages import (
    KeyUpdate,
    Message,
    NewConnectionId,
    NewSessionTicket,
    RequestConnectionId,
)
from handshake_over_coap.tls.schedule13 import (
    APPLICATION_EPOCH,
    export,
    next_traffic_secret,
    ticket_psk,
    traffic_keys,
)
from handshake_over_coap.tls.steps import name_of
from handshake_over_coap.tls.suites13 import CipherSuite13
from handshake_over_coap.tls.tickets import MAX_TICKET_LENGTH, MAX_TICKET_LIFETIME, Ticket

from .common import Parameters, TrafficSecrets, check_place

_LAST_MESSAGE_SEQ: Final = 0xFFFF
_ANSWER: Final = KeyUpdate(KeyUpdateRequest.update_not_requested)
_NO_CIDS: Final = NewConnectionId((), ConnectionIdUsage.cid_spare)


@dataclass(frozen=True, slots=True)
class Ongoing:
    """What changes after the handshake.

    The secrets are those of the present epochs; ``next_seq`` is the number of our next message.
    ``update_pending``: a KeyUpdate of ours is not acknowledged yet, so that nothing more may be
    sent; ``answer_due``: the peer has asked for one meanwhile, ``cids_due``: for connection IDs.
    ``client`` tells which side this is; ``resumption`` is resumption_master_secret, 32 bytes (RFC
    8446 section 7.1).  Epochs count from 3, the first of application data (RFC 9147 section 6.1).
    """

    client: bool
    read_secret: bytes = field(repr=False)
    write_secret: bytes = field(repr=False)
    resumption: bytes = field(repr=False)
    now: Clock = field(repr=False)
    next_seq: int
    read_epoch: int = APPLICATION_EPOCH
    write_epoch: int = APPLICATION_EPOCH
    update_pending: bool = False
    answer_due: bool = False
    cids_due: bool = False


@dataclass(frozen=True, slots=True)
class Connected13:
    """The handshake is complete and both sides' Finished have been verified.

    ``group`` is None where a pre-shared key is all that the keys come from.  ``verify_data`` are
    the client's and the server's Finished, 32 bytes each.  With ``resumed``, ``peer`` is who the
    peer proved to be when the ticket was given.  Connection IDs are None where the extension was
    not negotiated; ``peer_record_limit`` is that of :class:`~..handshake.EpochKeys`.
    ``psk`` tells whether a pre-shared key was used, a ticket's included.  The randoms have 32
    bytes; ``transcript`` is the bytes of all messages up to the client's Finished, as they are
    hashed.  ``server_certificate_type`` is the form in which the server showed its key (RFC 7250),
    ``server_name`` the name that the client asked for, if any.  ``own_cid`` is in the records that
    come here, ``peer_cid`` in those that go out.  ``ongoing`` is what KeyUpdate and the like go on
    from.
    """

    suite: CipherSuite13
    group: NamedGroup | None
    psk: bool
    resumed: bool
    client_random: bytes
    server_random: bytes
    peer: PeerIdentity
    server_certificate_type: int
    server_name: str | None
    verify_data: tuple[bytes, bytes]
    transcript: bytes = field(repr=False)
    secrets: TrafficSecrets
    own_cid: bytes | None
    peer_cid: bytes | None
    peer_record_limit: int | None
    ongoing: Ongoing = field(repr=False)

    @property
    def version(self) -> ProtocolVersion:
        """DTLS 1.3."""
        return ProtocolVersion.DTLS_1_3

    @property
    def auth(self) -> str:
        """How this handshake proved who they are: a name of ``--auth``, such as psk or rpk."""
        if self.psk:
            return auth_by_psk(ephemeral=self.group is not None)
        return auth_by_form(self.server_certificate_type)

    @property
    def read_epoch(self) -> int:
        """The epoch of the records that the peer seals now, from 3."""
        return self.ongoing.read_epoch

    @property
    def write_epoch(self) -> int:
        """The epoch of the records that we seal now, from 3."""
        return self.ongoing.write_epoch

    @property
    def update_pending(self) -> bool:
        """Whether a KeyUpdate of ours waits to be acknowledged."""
        return self.ongoing.update_pending

    def export(self, label: str, length: int, context: bytes | None = None) -> bytes:
        """Keying material for the application, ``length`` bytes (RFC 8446 section 7.5).

        Raises ConfigurationError for an impossible label or length.
        """
        return export(self.secrets.exporter, label, length, context)

    def handle(self, item: Item) -> Step:
        """A message after the handshake; raises UnexpectedMessage for one of another kind.

        A ticket comes out as ``tickets``; the peer's KeyUpdate as new keys to read with, and an
        answer if it asks for one.  Until it has our ACK of that it may go on in the epoch before
        (RFC 9147 sections 5.8.4 and 8), with anything but another KeyUpdate.
        """
        if isinstance(item, HandshakeMessage) and self._may_read(item.epoch):
            if item.type == HandshakeType.new_session_ticket and self.ongoing.client:
                return self._ticket(NewSessionTicket.decode(item.body))
            if item.type == HandshakeType.key_update and item.epoch == self.read_epoch:
                return self._peer_updates(KeyUpdate.decode(item.body))
            if item.type == HandshakeType.request_connection_id and self.own_cid:
                RequestConnectionId.decode(item.body)
                return self._give_no_connection_id()
            if item.type == HandshakeType.new_connection_id and self.peer_cid:
                return self._take_connection_id(NewConnectionId.decode(item.body))
        raise UnexpectedMessage(f"{name_of(item)} after the handshake")

    def _may_read(self, epoch: int) -> bool:
        """Whether the peer may write a message in ``epoch``: the newest, or the one before."""
        return max(self.read_epoch - 1, APPLICATION_EPOCH) <= epoch <= self.read_epoch

    def _ticket(self, message: NewSessionTicket) -> Step:
        if message.lifetime > MAX_TICKET_LIFETIME:
            raise IllegalParameter(f"a ticket that lives {message.lifetime} seconds")
        check_place(message.extensions, {int(ExtensionType.early_data)})
        if message.lifetime == 0 or len(message.ticket) > MAX_TICKET_LENGTH:
            return Step(self)  # to be thrown away at once, or not worth keeping
        ticket = Ticket(
            ticket=message.ticket,
            psk=ticket_psk(self.ongoing.resumption, message.nonce),
            suite=self.suite,
            lifetime=message.lifetime,
            age_add=message.age_add,
            received_at=self.ongoing.now(),
            server_name=self.server_name,
            peer=self.peer,
            server_certificate_type=self.server_certificate_type,
        )
        return Step(self, tickets=(ticket,))

    def _peer_updates(self, message: KeyUpdate) -> Step:
        ongoing = self.ongoing
        secret = next_traffic_secret(ongoing.read_secret)
        epoch = ongoing.read_epoch + 1
        keys = _keys(self, read=traffic_keys(secret, epoch, self.suite.aead))
        asked = message.request_update == KeyUpdateRequest.update_requested
        later = asked and ongoing.update_pending
        after = replace(
            ongoing,
            read_secret=secret,
            read_epoch=epoch,
            answer_due=ongoing.answer_due or later,
        )
        state = replace(self, ongoing=after)
        step = _say(state, _ANSWER) if asked and not later else Step(state)
        return step._replace(keys=(keys,))

    def update_keys(self, *, request: bool = False) -> Step:
        """Announce new keys for what we write; with ``request`` the peer is to do likewise.

        The flight is a KeyUpdate in the present epoch.  The keys come from
        :meth:`update_acknowledged`.  Raises ConfigurationError while an earlier update is pending
        or where the numbers are used up: 65,536 messages a side and session.
        """
        if self.update_pending:
            raise ConfigurationError("an earlier update of the keys is not acknowledged yet")
        if self.ongoing.next_seq > _LAST_MESSAGE_SEQ:
            raise ConfigurationError("the session has no message numbers left: start a new one")
        wanted = KeyUpdateRequest.update_requested
        unwanted = KeyUpdateRequest.update_not_requested
        return _say(self, KeyUpdate(wanted if request else unwanted))

    def update_acknowledged(self) -> Step:
        """The peer has acknowledged our KeyUpdate: the new keys to write with.

        The flight, which is empty unless the peer has asked for something meanwhile, belongs to the
        new epoch.  Raises ConfigurationError where no update is pending.
        """
        if not self.update_pending:
            raise ConfigurationError("no update of the keys is pending")
        ongoing = self.ongoing
        secret = next_traffic_secret(ongoing.write_secret)
        epoch = ongoing.write_epoch + 1
        keys = _keys(self, write=traffic_keys(secret, epoch, self.suite.aead))
        after = replace(
            ongoing,
            write_secret=secret,
            write_epoch=epoch,
            update_pending=False,
            answer_due=False,
            cids_due=False,
        )
        # The update is the last: nothing may be said after it until it is acknowledged.
        due = ((ongoing.cids_due, _NO_CIDS), (ongoing.answer_due, _ANSWER))
        step = _say(replace(self, ongoing=after), *(message for is_due, message in due if is_due))
        return step._replace(keys=(keys,))

    def _give_no_connection_id(self) -> Step:
        """The only ID is the one of the handshake; none more is a legal answer (RFC 9147 9)."""
        if self.update_pending:
            return Step(replace(self, ongoing=replace(self.ongoing, cids_due=True)))
        return _say(self, _NO_CIDS)

    def _take_connection_id(self, message: NewConnectionId) -> Step:
        """Spare IDs are not kept; one for immediate use comes out as a change of ``peer_cid``."""
        if message.usage != ConnectionIdUsage.cid_immediate:
            return Step(self)
        if not message.cids:
            raise IllegalParameter("a connection ID for immediate use, and none is there")
        state = replace(self, peer_cid=message.cids[0])
        return Step(state, keys=(_keys(state),))


def _say(state: Connected13, *messages: Message) -> Step:
    """Send as many as there are numbers for; a KeyUpdate then waits for its acknowledgement."""
    ongoing, flight = state.ongoing, []
    for message in messages:
        if ongoing.next_seq > _LAST_MESSAGE_SEQ:  # no answer is due then (RFC 9147 section 8)
            break
        epoch = ongoing.write_epoch
        flight.append(HandshakeMessage(message.msg_type, message.encode(), ongoing.next_seq, epoch))
        ongoing = replace(
            ongoing,
            next_seq=ongoing.next_seq + 1,
            update_pending=ongoing.update_pending or isinstance(message, KeyUpdate),
        )
    return Step(replace(state, ongoing=ongoing), tuple(flight))


def _keys(
    state: Connected13, *, read: TrafficKeys | None = None, write: TrafficKeys | None = None
) -> EpochKeys:
    return EpochKeys(
        read=read,
        write=write,
        own_cid=state.own_cid or b"",
        peer_cid=state.peer_cid or b"",
        peer_record_limit=state.peer_record_limit,
    )


Completed: TypeAlias = Connected | Connected13
"""The last state of a handshake of either version."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What the end of a handshake leaves: secrets, and who the peer is.

    ``resumption`` is resumption_master_secret, ``next_seq`` the number of our next message.
    ``verify_data`` are the client's and the server's Finished, 32 bytes each, ``transcript`` the
    bytes of all messages up to the client's.
    """

    parameters: Parameters
    peer: PeerIdentity
    secrets: TrafficSecrets
    resumption: bytes = field(repr=False)
    verify_data: tuple[bytes, bytes]
    transcript: bytes = field(repr=False)
    next_seq: int


def connected(ending: Ending, *, client: bool, now: Clock) -> Connected13:
    """The last state of either side; ``now`` dates the tickets that a client gets."""
    parameters, secrets = ending.parameters, ending.secrets
    clients, servers = secrets.client_application, secrets.server_application
    return Connected13(
        suite=parameters.suite,
        group=parameters.group,
        psk=parameters.psk,
        resumed=parameters.resumed,
        client_random=parameters.client_random,
        server_random=parameters.server_random,
        peer=ending.peer,
        server_certificate_type=parameters.server_certificate_type,
        server_name=parameters.server_name,
        verify_data=ending.verify_data,
        transcript=ending.transcript,
        secrets=secrets,
        own_cid=parameters.own_cid,
        peer_cid=parameters.peer_cid,
        peer_record_limit=parameters.peer_record_limit,
        ongoing=Ongoing(
            client=client,
            read_secret=servers if client else clients,
            write_secret=clients if client else servers,
            resumption=ending.resumption,
            now=now,
            next_seq=ending.next_seq,
        ),
    )
