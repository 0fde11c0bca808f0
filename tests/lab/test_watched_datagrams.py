"""What a watched datagram is, without parsing it by hand."""

from __future__ import annotations

import handshake_over_coap as hoc
from handshake_over_coap.coap.options import Option
from handshake_over_coap.tls.codepoints import ContentType


def test_a_datagram_over_coap_is_a_message_with_its_options_and_body() -> None:
    watched = hoc.watch(hoc.Scenario(dtls="1.2"))
    first, challenge = (each.message for each in watched.datagrams[:2])
    assert first is not None
    assert challenge is not None
    assert first.path == (b".well-known", b"dtls")
    assert len(first.payload) == watched.trial.body_bytes[0]
    assert challenge.get(Option.ECHO)
    assert all(each.records == () for each in watched.datagrams)


def test_a_datagram_over_udp_has_its_records_in_order() -> None:
    seen = hoc.watch(hoc.Scenario(dtls="1.2", transport="udp")).datagrams
    assert all(each.message is None for each in seen)
    last = [(record.content_type, record.epoch) for record in seen[-1].records]  # type: ignore[union-attr]
    assert last == [(ContentType.change_cipher_spec, 0), (ContentType.handshake, 1)]
    sizes = [sum(len(record.to_bytes()) for record in each.records) for each in seen]
    assert sizes == [len(each.data) for each in seen]
