"""Access of one caller to one service: who it is, and what it may do."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import ObjectType
from syncline_server.auth.grant_scope import GrantScope
from syncline_server.auth.grants import Grants
from syncline_server.auth.principal import Principal
from syncline_server.observability.logs import about
from syncline_server.storage.author import Author
from syncline_server.storage.rights import Right
from syncline_server.storage.services import Service, unknown_service
from syncline_server.storage.webhooks import WebhookPolicy

from .work import WorkAllowance

if TYPE_CHECKING:
    from syncline_server.backend import Backend

__all__ = ["Access"]


class Access:
    """One identity in one service. The operations of each type (`registry`) ask it first.

    Two checks can raise `ACCESS_FORBIDDEN`, and both must pass. Permissions: if the service has
    `acl_enabled` and the caller is `limited`, the scripts in Redis check the identity's rights in
    the same step as they read or write. Grants: if the token names any, they must include the
    right.

    Attributes:
        allowance: the work that the caller may make the event loop do.
        caller: identifies the identity in limits that all its connections share.
        endpoint: name of the caller's connection, as webhooks report it; "" for none.
        limited: True for a token holder, False for the account.
    """

    __slots__ = (
        "_identity_limit",
        "_scope",
        "_services",
        "_webhook_limit",
        "allowance",
        "caller",
        "endpoint",
        "identity",
        "limited",
        "service_sid",
    )

    @classmethod
    async def enter(cls, backend: Backend, principal: Principal, service: str) -> Access:
        """Access to the service with this SID or unique name.

        Raises:
            Refusal: no such service exists, or the caller's token is for another service.
        """
        about(identity=principal.identity, key=principal.key)
        return cls._of(backend, principal, service, await backend.services.find(service))

    @classmethod
    def enter_at_once(cls, backend: Backend, principal: Principal, service: str) -> Access | None:
        """As `enter`; None if that may have to wait."""
        found = backend.services.find_at_once(service)
        if found is None:
            return None
        return cls._of(backend, principal, service, found)

    @classmethod
    def _of(
        cls, backend: Backend, principal: Principal, service: str, found: Service | None
    ) -> Access:
        """`found`: the service with that address; None if there is none."""
        own = (service,) if found is None else backend.services.addresses(found)
        if not principal.is_account and principal.service not in own:
            # Before the check that the service exists: a token holder must not be able to find out
            # which other services exist.
            raise Refusal(
                Code.SERVICE_FORBIDDEN, "The access token was issued for another service."
            )
        if found is None:
            raise unknown_service(service)
        about(identity=principal.identity, key=principal.key, service=found.sid)
        return cls(
            backend,
            found.sid,
            principal.identity,
            limited=not principal.is_account,
            grants=principal.grants,
        )

    def __init__(
        self,
        backend: Backend,
        service_sid: str,
        identity: str,
        *,
        limited: bool = False,
        grants: Grants | None = None,
    ) -> None:
        """
        Args:
            limited: True for a token holder, False for the account.
            grants: the limits that the token names; None if it names none.
        """
        self.service_sid = service_sid
        self.identity = identity
        self.limited = limited
        self.endpoint = ""
        self.caller = (service_sid, identity)
        self._services = backend.services
        self._webhook_limit = backend.settings.webhook_queue_limit
        self._scope = (
            None
            if grants is None
            else GrantScope(grants, partial(backend.registry.read_header, service_sid))
        )
        self._identity_limit = backend.identity_limit
        limit = backend.identity_limit if limited else None
        self.allowance = WorkAllowance(backend.work, limit, self.caller)

    def is_of(self, service: str) -> bool:
        """True if `service`, a SID or a unique name, means the service of this access."""
        if service == self.service_sid:
            return True
        known = self._services.known(self.service_sid)
        return known is not None and service in self._services.addresses(known)

    def count_request(self) -> Refusal | None:
        """Count a request. Returns the refusal if the identity makes too many, else None.

        Requests of the account are not counted.
        """
        return self._identity_limit.refusal(self.caller) if self.limited else None

    @property
    def reader(self) -> str | None:
        """The identity whose right to read is checked before it receives events; None for none."""
        service = self._services.known(self.service_sid) if self.limited else None
        return self.identity if service is not None and service.acl_enabled else None

    @property
    def checks_permissions(self) -> bool | None:
        """True if scripts must check the caller's rights; None if it must wait to find that out,
        or the service is deleted."""
        if not self.limited:
            return False
        service = self._services.find_at_once(self.service_sid)
        return None if service is None else service.acl_enabled

    @property
    def is_scoped(self) -> bool:
        """True if grants limit the caller."""
        return self._scope is not None

    def grants(self, type_: ObjectType, name: str | None, right: Right) -> bool:
        """True if no grant denies `right` on the object with that unique name; None for no name."""
        return self._scope is None or self._scope.allows(type_, name, right)

    def shows(self, type_: ObjectType, address: str) -> bool:
        """As `grants` for reading, by an address that has passed `check` before."""
        return self._scope is None or self._scope.shows(type_, address)

    async def check(
        self, type_: ObjectType, address: str | None, right: Right, granted: Right | None = None
    ) -> Right | None:
        """Check the service and the grants. Returns the rights that the scripts must check.

        Args:
            address: the object; None for all objects, or one without a name.
            granted: the rights that grants must include, if not `right`.

        Returns:
            `right`, or None where permissions are not checked.

        Raises:
            Refusal: `SERVICE_NOT_FOUND` once the service is deleted; `ACCESS_FORBIDDEN` or not
                found from the grants.
        """
        if not self.limited:
            return None
        service = await self._services.find(self.service_sid)
        if service is None:
            raise unknown_service(self.service_sid)
        if self._scope is not None:
            await self._scope.require(type_, address, right if granted is None else granted)
        return right if service.acl_enabled else None

    def author(self, needs: Right | None) -> Author:
        """The caller as the author of a write; `needs` is what `check` returned."""
        webhooks = WebhookPolicy.of(
            self._services.known(self.service_sid),
            self._webhook_limit,
            from_rest=not self.limited,
            endpoint=self.endpoint,
        )
        return Author(identity=self.identity, needs=needs, webhooks=webhooks)
