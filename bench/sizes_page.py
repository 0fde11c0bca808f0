"""The tables of docs/sizes.md that `hoc tables sizes --full` has, in Markdown, and their picture.

python bench/sizes_page.py
"""

from __future__ import annotations

from pathlib import Path

from handshake_over_coap.lab.size_maps import rows
from handshake_over_coap.lab.size_maps_text import CONDITIONS, map_page, totals_page
from handshake_over_coap.lab.sizes_picture import SHOWN, draw

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "figures" / "sizes.png"


def main() -> None:
    """Print both tables and draw the picture."""
    found = {row.name: row for row in rows()}
    print(totals_page(list(found.values())))
    print(map_page(found[SHOWN]))
    (one,) = rows(1, names=(SHOWN,))
    draw(one, PICTURE, f"seed 1; {CONDITIONS}")


if __name__ == "__main__":
    main()
