"""How much memory the bodies of all clients take together while they are put together."""

from __future__ import annotations

from collections import Counter

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.limits import network_of


class Bodies:
    """Bytes of bodies under way, by endpoint; at most ``most`` of all, whatever carries them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[str, dict[Address, int]] = {}
        self._sizes: Counter[str] = Counter()
        self.total = 0

    def hold(self, address: Address, size: int) -> Address | None:
        """The bodies of ``address`` take ``size`` bytes now, 0 for none.

        Gives an endpoint whose bodies have to go, if the bound is passed: it holds most of all at
        the network that holds most.  That is another one wherever there is one.
        """
        name = network_of(address)
        held = self._held.setdefault(name, {})
        change = size - held.get(address, 0)
        self.total += change
        self._sizes[name] += change
        if size:
            held[address] = size
        else:
            held.pop(address, None)
        if not held:
            del self._held[name], self._sizes[name]
        return self._greediest(address) if self.total > self._most else None

    def _greediest(self, but: Address) -> Address | None:
        for name, _ in self._sizes.most_common(2):
            others = {each: size for each, size in self._held[name].items() if each != but}
            if others:
                return max(others, key=others.__getitem__)
        return None
