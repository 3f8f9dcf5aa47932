# Made by scripts/generate-blocking. Do not edit: change the async source.
"""Handle of a document."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Generic

import orjson

from syncline.errors import InvalidRequest, RevisionMismatch
from syncline.header import Header, JsonObject
from syncline.model_data import ModelData
from syncline.mutation import MutationPauses, Mutator
from syncline.patches import OPERATIONS_LIMIT, encode_rule, shallow_merge
from syncline.service.dictionary import DataAccess
from syncline.service.running_mutations import mutating
from syncline.service.waiting import result, sleep
from syncline.snapshot import Snapshot
from syncline.type_variables import T
from syncline_protocol.errors import Code
from syncline_protocol.objects import DOCUMENT

from .handle import Handle
from .http import Http
from .rest_documents import RestDocuments

__all__ = ["Document"]


class Document(Handle, DataAccess, Generic[T]):
    """One document. It does not follow changes: `data` is what this handle last read or wrote.

    Each write has an operation id. If a reply is lost, the request is repeated, and the server
    applies it once. `T` is the `model` of the handle; without one, `JsonObject`. With a model,
    everything that reads data raises `ModelMismatch` if it does not fit.
    """

    object_type = DOCUMENT
    _known: Snapshot[Any] | None

    def __init__(
        self, http: Http, address: str, header: Header | None = None, *, data: ModelData[T]
    ) -> None:
        """Applications call `get`, `create` or `at` of `documents` instead."""
        super().__init__(http, address, header)
        self._model = data

    @property
    def data(self) -> T:
        """The data that this handle last read or wrote; a copy that the caller may change."""
        return self._model.decode(self._snapshot.json)

    @property
    def revision(self) -> str:
        """Revision of `data`."""
        return str(self._snapshot.revision)

    @property
    def updated_by(self) -> str:
        """Identity that wrote this revision, or `system`."""
        return self._snapshot.updated_by

    def set(
        self,
        data: T,
        *,
        if_match: str | None = None,
        ttl: int | None = None,
        operation_id: str | None = None,
    ) -> T:
        """Replace the data.

        Args:
            data: a JSON object; with a model, an instance of it.
            if_match: write only if the document is at this revision; None: unconditional.
            ttl: time to live in seconds from now; 0: never expires; None keeps the expiry.
            operation_id: your own operation id, of up to 64 characters. Within 120 s a second call
                with it gets the answer of the first, also from another process. None makes one.

        Returns:
            the data as written.

        Raises:
            RevisionMismatch: the document is at another revision; `document` is that state.
            Conflict: the operation id was used for another request.
            InvalidRequest: `data` is not a JSON object or does not fit the model, or `ttl` is out
                of range.
            TooLarge: `data` is larger than the server accepts.
        """
        json = self._model.encode(data, None)
        members = {"data": orjson.Fragment(json), "if_match": if_match, "ttl": ttl}
        return self._write_data("set", operation_id, json, members)

    def update(
        self,
        changes: Mapping[str, Any],
        *,
        ttl: int | None = None,
        operation_id: str | None = None,
    ) -> T:
        """Set some top-level keys and leave the others as they are.

        The server merges, so there is no conflict with other writers. The merge is shallow; for an
        RFC 7396 merge use `patch(merge=…)`.

        Args:
            changes: new values by key.
            ttl, operation_id: as in `set`.

        Returns:
            the whole data after the write.

        Raises:
            Conflict, InvalidRequest, TooLarge: as in `set`.
        """
        new = self._model.encode_changes(changes, None)
        if len(new) > OPERATIONS_LIMIT:
            if operation_id is not None:
                raise InvalidRequest.local(
                    Code.INVALID_PARAMETER,
                    f"update takes no operation_id with more than {OPERATIONS_LIMIT} keys.",
                )
            newest = self._read()
            return self._mutate(lambda data: data | new, ttl, ModelData(None), newest)
        return self.patch(operations=shallow_merge(new), ttl=ttl, operation_id=operation_id)

    def mutate(self, fn: Mutator[T], *, ttl: int | None = None) -> T:
        """Compute new data from the newest data and write it; retry if another writer was first.

        Args:
            fn: called with a copy of the data, which it may change. Returns the new data, or None
                to write nothing. It may be called several times, each time with newer data.
            ttl: as in `set`.

        Returns:
            the data as written; the newest data if `fn` returned None.

        Raises:
            RevisionMismatch: other writers were first until `mutate_timeout` had passed.
            UsageError: `mutate` was called inside `mutate` of this document.
            InvalidRequest, TooLarge: as in `set`.
        """
        newest = self._read()  # tells all names of the document
        with mutating(self._paths):
            return self._mutate(fn, ttl, self._model, newest)

    def patch(
        self,
        *,
        merge: JsonObject | None = None,
        operations: Sequence[JsonObject] | None = None,
        increment: Mapping[str, int | float] | None = None,
        if_match: str | None = None,
        ttl: int | None = None,
        operation_id: str | None = None,
    ) -> T:
        """Let the server change the newest data by a rule. Give exactly one rule.

        Args:
            merge: a JSON merge patch (RFC 7396): null removes a key.
            operations: a JSON patch (RFC 6902), applied completely or not at all.
            increment: numbers to add, by JSON pointer (RFC 6901).
            if_match, ttl, operation_id: as in `set`.

        Returns:
            the whole data after the write.

        Raises:
            TypeError: no rule was given, or more than one.
            Conflict: the patch does not fit the data, or as in `set`.
            RevisionMismatch, InvalidRequest, TooLarge: as in `set`.
        """
        rule = encode_rule(merge=merge, operations=operations, increment=increment)
        members = {**rule, "if_match": if_match, "ttl": ttl}
        return self._write_data("patch", operation_id, None, members)

    def increment(self, pointer: str, by: int | float = 1, *, operation_id: str | None = None) -> T:
        """Add to a number; a missing number counts as 0.

        Args:
            pointer: a JSON pointer (RFC 6901), such as `/likes`.
            by: the number to add.
            operation_id: as in `set`.

        Returns:
            the whole data after the write.

        Raises:
            Conflict: the value there is not a number, or its parent does not exist.
        """
        return self.patch(increment={pointer: by}, operation_id=operation_id)

    def set_ttl(
        self, ttl: int, *, if_match: str | None = None, operation_id: str | None = None
    ) -> None:
        """Change the expiry and keep the data.

        Args:
            ttl: time to live in seconds from now; 0: never expires.
            if_match, operation_id: as in `set`.

        Raises:
            RevisionMismatch: as in `set`.
            InvalidRequest: `ttl` is out of range.
        """
        self._write("ttl", operation_id, ttl=ttl, if_match=if_match)

    def remove(self, *, if_match: str | None = None, operation_id: str | None = None) -> None:
        """Remove the document for all clients.

        Args:
            if_match, operation_id: as in `set`.

        Raises:
            RevisionMismatch: as in `set`.
        """
        self._remove(operation_id, if_match)

    @property
    def _plain(self) -> JsonObject:
        plain: JsonObject = orjson.loads(self._snapshot.json)
        return plain

    @property
    def _snapshot(self) -> Snapshot[Any]:
        self._header  # noqa: B018 - raises if there is none
        assert self._known is not None
        return self._known

    def _read(self) -> Snapshot[Any]:
        return Snapshot.parse((self._request("get"))["document"])

    def _mutate(
        self, fn: Mutator[Any], ttl: int | None, model: ModelData[Any], newest: Snapshot[Any]
    ) -> T:
        deadline = time.monotonic() + self._http.pool.options.mutate_timeout
        pauses = MutationPauses()
        while True:
            passed = model.decode(newest.json)
            data = result(fn(passed))
            json = model.encode_result(data, passed, newest.json, None)
            if json is None:
                return self._model.decode(newest.json)
            members = {"data": orjson.Fragment(json), "if_match": str(newest.revision), "ttl": ttl}
            try:
                return self._write_data("set", None, json, members)
            except RevisionMismatch as mismatch:
                if time.monotonic() >= deadline:
                    raise
                found = mismatch.document
            sleep(pauses.next())
            newest = found or self._read()

    def _write_data(
        self, verb: str, operation_id: str | None, json: bytes | None, members: JsonObject
    ) -> T:
        """Send a write and return the data after it; `json` is that data, None if not known yet."""
        body = (self._write(verb, operation_id, **members))["document"]
        # The reply to a repeated operation lacks the data if the document has changed since.
        if json is None and "data" not in body:
            snapshot = self._read()
        else:
            snapshot = Snapshot.parse(body, None, json)
            self._known = snapshot
        return self._model.decode(snapshot.json, applied=True)

    def _write(self, verb: str, operation_id: str | None, **members: Any) -> JsonObject:
        try:
            return super()._write(verb, operation_id, **members)
        except RevisionMismatch as mismatch:
            if mismatch.document is not None:
                mismatch.document = self._model.snapshot(mismatch.document)
            raise

    def _carry_out(self, request: JsonObject) -> JsonObject:
        return RestDocuments(self._http, self._address).carry_out(request)

    def _take(self, ok: JsonObject) -> None:
        body = ok.get("document", {})
        if "data" in body:
            self._known = Snapshot.parse(body)
