"""Settings, URLs and the WSGI application of the project, in one file."""

from __future__ import annotations

import os
import secrets

from django.core.wsgi import get_wsgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project")

SECRET_KEY = os.environ.get("SECRET_KEY") or secrets.token_hex()
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "project"
INSTALLED_APPS = ["shop"]

application = get_wsgi_application()

from shop import views  # noqa: E402 - needs the settings

urlpatterns = [
    path("token", views.mint_token),
    path("stock", views.read_stock),
    path("buy/<product>", views.buy),
]
