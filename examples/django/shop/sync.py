"""The client of this process, and the stock.

A pre-fork server may load this before it forks: each worker opens connections of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import syncline


@dataclass
class Product:
    """The data of an item of the stock."""

    left: int


service = syncline.Service.from_environment()
stock = service.maps.at("stock", model=Product)  # no request: the command creates the map
