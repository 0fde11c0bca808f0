"""After the handshake of DTLS 1.3: new keys, new connection IDs, and what is refused."""

from __future__ import annotations

import hmac
from dataclasses import replace

import pytest

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.alerts import (
    AlertError,
    DecodeError,
    IllegalParameter,
    UnexpectedMessage,
)
from handshake_over_coap.tls.codepoints import ConnectionIdUsage, HandshakeType, KeyUpdateRequest
from handshake_over_coap.tls.flight import ChangeCipherSpec, HandshakeMessage
from handshake_over_coap.tls.handshake import EpochKeys, Step
from handshake_over_coap.tls.keys import TrafficKeys
from handshake_over_coap.tls.messages import (
    KeyUpdate,
    Message,
    NewConnectionId,
    NewSessionTicket,
    RequestConnectionId,
)
from handshake_over_coap.tls.negotiation import Connected13
from tests.support.memory_pair13 import connected13, run
from tests.support.parties13 import CHACHA, P256, Scenario13

SCENARIO = Scenario13(CHACHA, P256)


def pair(**cids: bytes) -> tuple[Connected13, Connected13]:
    """A client and a server that have just completed; the client has its tickets."""
    client = SCENARIO.client(connection_id=cids.get("client"))
    point = run(client, SCENARIO.server(connection_id=cids.get("server"))).deliver()
    return connected13(point.client), connected13(point.server)


def state_of(step: Step) -> Connected13:
    assert isinstance(step.state, Connected13)
    return step.state


def written(step: Step) -> TrafficKeys:
    """The keys to write with that a step gives, and nothing else."""
    (keys,) = step.keys
    assert keys.read is None
    assert keys.write is not None
    return keys.write


def read(step: Step) -> TrafficKeys:
    """The keys to read with that a step gives, and nothing else."""
    (keys,) = step.keys
    assert keys.write is None
    assert keys.read is not None
    return keys.read


def said(step: Step) -> HandshakeMessage:
    (message,) = step.flight
    assert isinstance(message, HandshakeMessage)
    return message


def framed(message: Message, epoch: int = 3) -> HandshakeMessage:
    return HandshakeMessage(message.msg_type, message.encode(), 9, epoch)


def test_keys_change_on_one_side_when_the_update_is_acknowledged() -> None:
    client, server = pair()
    for epoch in range(4, 10):
        announced = client.update_keys()
        assert announced.keys == ()
        assert said(announced).epoch == epoch - 1
        client = state_of(announced)
        assert (client.update_pending, client.write_epoch) == (True, epoch - 1)

        taken = server.handle(said(announced))
        assert taken.flight == ()
        server = state_of(taken)
        done = client.update_acknowledged()
        client = state_of(done)
        assert done.flight == ()
        assert (client.update_pending, client.write_epoch, client.read_epoch) == (False, epoch, 3)
        assert (server.read_epoch, server.write_epoch) == (epoch, 3)
        assert written(done) == read(taken)
        assert written(done).epoch == epoch


def test_keys_change_on_both_sides_when_that_is_asked_for() -> None:
    client, server = pair()
    announced = server.update_keys(request=True)
    taken = client.handle(said(announced))
    answer = said(taken)
    assert KeyUpdate.decode(answer.body).request_update == KeyUpdateRequest.update_not_requested
    assert answer.epoch == 3  # the answer itself goes under the old keys
    client, server = state_of(taken), state_of(announced)
    assert client.update_pending

    back = server.handle(answer)
    assert back.flight == ()
    done = state_of(back).update_acknowledged()
    last = client.update_acknowledged()
    assert written(done) == read(taken)
    assert written(last) == read(back)
    client, server = state_of(last), state_of(done)
    assert (client.read_epoch, client.write_epoch) == (4, 4)
    assert (server.read_epoch, server.write_epoch) == (4, 4)


def test_updates_that_cross_are_each_answered_in_the_next_epoch() -> None:
    client, server = pair()
    ours, theirs = client.update_keys(request=True), server.update_keys(request=True)
    client_took = state_of(ours).handle(said(theirs))
    server_took = state_of(theirs).handle(said(ours))
    assert (client_took.flight, server_took.flight) == ((), ())
    client_done = state_of(client_took).update_acknowledged()
    server_done = state_of(server_took).update_acknowledged()
    assert said(client_done).epoch == 4
    assert said(server_done).epoch == 4
    client_end = state_of(client_done).handle(said(server_done))
    server_end = state_of(server_done).handle(said(client_done))
    assert (client_end.flight, server_end.flight) == ((), ())
    last = state_of(client_end).update_acknowledged()
    assert last.flight == ()
    assert written(last) == read(server_end)
    assert written(last).epoch == 5


def test_numbers_of_messages_go_on_after_the_handshake() -> None:
    client, server = pair()
    step = server.update_keys()
    assert said(step).message_seq == 4  # ServerHello, EncryptedExtensions, Finished, a ticket
    step = state_of(step).update_acknowledged()
    assert said(state_of(step).update_keys()).message_seq == 5
    assert said(client.update_keys()).message_seq == 2  # ClientHello, Finished


def test_one_update_at_a_time() -> None:
    client, _ = pair()
    pending = state_of(client.update_keys())
    with pytest.raises(ConfigurationError, match="not acknowledged"):
        pending.update_keys()
    with pytest.raises(ConfigurationError, match="no update"):
        client.update_acknowledged()


def test_the_last_message_number_is_used_once() -> None:
    client, _ = pair()
    last = replace(client, ongoing=replace(client.ongoing, next_seq=0xFFFF))
    announced = last.update_keys()
    assert said(announced).message_seq == 0xFFFF
    done = state_of(state_of(announced).update_acknowledged())
    with pytest.raises(ConfigurationError, match="start a new one"):
        done.update_keys()
    asked = framed(KeyUpdate(KeyUpdateRequest.update_requested))
    taken = done.handle(asked)
    assert taken.flight == ()  # the wish is ignored (RFC 9147 section 8)
    assert read(taken).epoch == 4


def test_secrets_follow_from_one_another() -> None:
    """RFC 8446 section 7.2 with the labels of DTLS."""
    client, _ = pair()
    secret = client.secrets.client_application
    step = client.update_keys()
    for _ in range(3):
        info = b"\x00\x20\x11dtls13traffic upd\x00\x01"
        secret = hmac.digest(secret, info, "sha256")
        step = state_of(step).update_acknowledged()
        key = hmac.digest(secret, b"\x00\x20\x09dtls13key\x00\x01", "sha256")
        assert written(step).key == key
        step = state_of(step).update_keys()


@pytest.mark.parametrize(
    ("body", "alert"),
    [
        (b"\x02", IllegalParameter),
        (b"\xff", IllegalParameter),
        (b"", DecodeError),
        (b"\x00\x00", DecodeError),
    ],
)
def test_key_updates_of_other_values(body: bytes, alert: type[AlertError]) -> None:
    for side in pair():
        with pytest.raises(alert):
            side.handle(HandshakeMessage(HandshakeType.key_update, body, 9, 3))


def test_nothing_more_in_an_epoch_that_an_update_has_ended() -> None:
    client, server = pair()
    announced = client.update_keys()
    after = state_of(server.handle(said(announced)))
    with pytest.raises(UnexpectedMessage):
        after.handle(said(announced))
    for epoch in (0, 2, 3, 5):
        with pytest.raises(UnexpectedMessage):
            after.handle(framed(KeyUpdate(KeyUpdateRequest.update_not_requested), epoch))


def test_other_messages_may_come_in_the_epoch_before_an_update() -> None:
    """RFC 9147 sections 5.8.4 and 8: the peer uses its new keys once it has the ACK."""
    client, server = pair(client=b"client", server=b"server")
    ticket = framed(NewSessionTicket(60, 0, b"n", b"ticket"))
    others = [framed(NewConnectionId((b"new",), ConnectionIdUsage.cid_immediate))]
    others.append(framed(RequestConnectionId(1)))
    for first, second, messages in ((client, server, others), (server, client, [ticket, *others])):
        announced = first.update_keys()
        once = state_of(second.handle(said(announced)))
        for message in messages:
            assert state_of(once.handle(message)).read_epoch == 4
        acknowledged = state_of(state_of(announced).update_acknowledged())
        twice = state_of(once.handle(said(acknowledged.update_keys())))
        assert twice.read_epoch == 5
        for message in messages:
            for epoch in (0, 2, 3, 6):
                with pytest.raises(UnexpectedMessage):
                    twice.handle(replace(message, epoch=epoch))
    # Nothing that belongs to the handshake: its epoch is the one before the first.
    with pytest.raises(UnexpectedMessage):
        client.handle(replace(ticket, epoch=2))


@pytest.mark.parametrize(
    "kind",
    [
        HandshakeType.client_hello,
        HandshakeType.hello_request,
        HandshakeType.server_hello,
        HandshakeType.certificate_request,
        HandshakeType.certificate,
        HandshakeType.finished,
        HandshakeType.end_of_early_data,
        99,
    ],
)
def test_a_message_of_the_handshake_comes_too_late(kind: int) -> None:
    for side in pair():
        for epoch in (0, 2, 3):
            with pytest.raises(UnexpectedMessage):
                side.handle(HandshakeMessage(kind, b"", 9, epoch))
        with pytest.raises(UnexpectedMessage):
            side.handle(ChangeCipherSpec())


# Connection IDs


def test_a_connection_id_for_immediate_use_is_used() -> None:
    client, server = pair(client=b"old", server=b"s")
    message = framed(NewConnectionId((b"new", b"spare"), ConnectionIdUsage.cid_immediate))
    step = server.handle(message)
    assert step.keys == (EpochKeys(None, None, own_cid=b"s", peer_cid=b"new"),)
    after = state_of(step)
    assert (after.own_cid, after.peer_cid) == (b"s", b"new")
    (keys,) = after.update_keys().state.update_acknowledged().keys  # type: ignore[attr-defined]
    assert keys.peer_cid == b"new"
    with pytest.raises(IllegalParameter):
        client.handle(framed(NewConnectionId((), ConnectionIdUsage.cid_immediate)))


def test_spare_connection_ids_are_not_kept() -> None:
    client, _ = pair(client=b"c", server=b"s")
    message = framed(NewConnectionId((b"1", b"2"), ConnectionIdUsage.cid_spare))
    assert client.handle(message) == Step(client)


def test_who_asks_for_connection_ids_gets_none() -> None:
    client, server = pair(client=b"c", server=b"s")
    for side in (client, server):
        answer = said(side.handle(framed(RequestConnectionId(3))))
        decoded = NewConnectionId.decode(answer.body)
        assert decoded == NewConnectionId((), ConnectionIdUsage.cid_spare)


@pytest.mark.parametrize("update_too", [False, True])
def test_who_asks_for_connection_ids_during_an_update_gets_the_answer_after_it(
    update_too: bool,
) -> None:
    client, _ = pair(client=b"c", server=b"s")
    asked = client.update_keys()
    for _ in range(2):
        asked = state_of(asked).handle(framed(RequestConnectionId(3)))
        assert asked.flight == ()
    if update_too:
        asked = state_of(asked).handle(framed(KeyUpdate(KeyUpdateRequest.update_requested)))
    after = state_of(asked).update_acknowledged()
    kinds = [item.type for item in after.flight if isinstance(item, HandshakeMessage)]
    wanted = [HandshakeType.new_connection_id]
    # The update comes last: nothing may be said after it.
    assert kinds == ([*wanted, HandshakeType.key_update] if update_too else wanted)
    assert {item.epoch for item in after.flight if isinstance(item, HandshakeMessage)} == {4}
    assert state_of(after).update_pending is update_too
    assert not state_of(after).ongoing.cids_due


@pytest.mark.parametrize(
    "cids", [{}, {"client": b"", "server": b""}, {"client": b"c"}, {"server": b"s"}], ids=str
)
def test_connection_ids_where_none_were_agreed_on(cids: dict[str, bytes]) -> None:
    for side in pair(**cids):
        for message in (
            NewConnectionId((b"n",), ConnectionIdUsage.cid_spare),
            RequestConnectionId(1),
        ):
            with pytest.raises(UnexpectedMessage):
                side.handle(framed(message))


def test_one_side_alone_may_have_a_connection_id() -> None:
    client, server = pair(client=b"c", server=b"")
    new = framed(NewConnectionId((b"n",), ConnectionIdUsage.cid_immediate))
    assert state_of(server.handle(new)).peer_cid == b"n"
    assert client.handle(framed(RequestConnectionId(1))).flight
    with pytest.raises(UnexpectedMessage):
        client.handle(new)
    with pytest.raises(UnexpectedMessage):
        server.handle(framed(RequestConnectionId(1)))


def test_labels_that_nobody_can_export() -> None:
    client, _ = pair()
    for label, length in (("", 10), ("x" * 250, 10), ("\u00e9", 10), ("x", 0), ("x", 8161)):
        with pytest.raises(ConfigurationError):
            client.export(label, length)
    assert client.export("x", 10) == client.export("x", 10, b"")
