"""`python manage.py restock lamp=5 desk=2` adds to the stock."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from shop.sync import Product, service, stock


def add(count: int, found: Product | None) -> Product:
    """A product after a delivery; `found` is None for a new one."""
    return Product(count + (found.left if found else 0))


class Command(BaseCommand):
    """The command `restock`."""

    help = "Add to the stock; open pages show it at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("delivery", nargs="+", metavar="PRODUCT=COUNT")

    def handle(self, *args: Any, **options: Any) -> None:
        service.maps.get_or_create("stock")
        for delivery in options["delivery"]:
            product, _, count = delivery.rpartition("=")
            item = stock.mutate(product, partial(add, int(count)))
            self.stdout.write(f"{product}: {item.data.left} left")
