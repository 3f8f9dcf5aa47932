"""What the shop answers."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET, require_POST

import syncline

from .sync import service


@require_GET
def mint_token(request: HttpRequest) -> HttpResponse:
    """A token for a browser. In your application, the identity is that of `request.user`."""
    token = service.mint_token(request.GET["identity"], ttl=3600)
    return HttpResponse(token, content_type="text/plain")


@require_GET
def read_stock(request: HttpRequest) -> JsonResponse:
    """What is left of each product."""
    stock = service.maps.get_or_create("stock")
    return JsonResponse({product: item.data["left"] for product, item in stock.items()})


@require_POST
def buy(request: HttpRequest, product: str) -> JsonResponse:
    """Take one, if one is left. `mutate` runs again if another worker was first."""
    is_sold = False

    def take_one(found: dict[str, Any] | None) -> dict[str, Any] | None:
        nonlocal is_sold
        is_sold = found is not None and found["left"] > 0
        return {"left": found["left"] - 1} if found is not None and is_sold else None

    try:
        item = service.maps.at("stock").mutate(product, take_one)
    except syncline.NotFound:
        return JsonResponse({"error": "There is no such product."}, status=404)
    return JsonResponse({"left": item.data["left"]}, status=200 if is_sold else 409)
