"""What the shop answers."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET, require_POST

import syncline

from .sync import Product, service, stock


@require_GET
def mint_token(request: HttpRequest) -> HttpResponse:
    """A token for a browser. In your application, the identity is that of `request.user`."""
    token = service.mint_token(request.GET["identity"], ttl=3600)
    return HttpResponse(token, content_type="text/plain")


@require_GET
def read_stock(request: HttpRequest) -> JsonResponse:
    """What is left of each product."""
    try:
        left = {name: item.data.left for name, item in stock.items()}
    except syncline.NotFound:  # nothing was delivered yet
        left = {}
    return JsonResponse(left)


@require_POST
def buy(request: HttpRequest, product: str) -> JsonResponse:
    """Take one, if one is left. `mutate` runs again if another worker was first."""
    is_sold = False

    def take_one(found: Product | None) -> Product | None:
        nonlocal is_sold
        is_sold = found is not None and found.left > 0
        return Product(found.left - 1) if found is not None and is_sold else None

    try:
        item = stock.mutate(product, take_one)
    except syncline.NotFound:
        return JsonResponse({"error": "There is no such product."}, status=404)
    return JsonResponse({"left": item.data.left}, status=200 if is_sold else 409)
