"""``python -m handshake_over_coap`` is the command ``hoc``."""

from __future__ import annotations

import sys

from handshake_over_coap.cli import main

if __name__ == "__main__":
    sys.exit(main())
