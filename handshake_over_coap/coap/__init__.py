"""CoAP messages as bytes: header, codes, options and Block values (RFC 7252, 7959, 9175, 9177).

The one codec of this project.  It keeps nothing, waits for nothing and knows no timer: what a
message means is for ``transfers/`` and ``carriers/coap`` to say.  Reading is strict by default, as
what comes from a network has to be; with ``tolerant`` the same code reads what a picture of the
traffic has to show.
"""

from .codes import Code, MessageType, code_text
from .message import Content, Message, MessageFormatError, acknowledgement, reset
from .options import BLOCK_SIZES, Block, Option, OptionValue, uint

__all__ = [
    "BLOCK_SIZES",
    "Block",
    "Code",
    "Content",
    "Message",
    "MessageFormatError",
    "MessageType",
    "Option",
    "OptionValue",
    "acknowledgement",
    "code_text",
    "reset",
    "uint",
]
