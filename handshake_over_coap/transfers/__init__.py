"""How a body crosses: cut, sent, repeated and put together, without a socket, a clock or a draw."""
