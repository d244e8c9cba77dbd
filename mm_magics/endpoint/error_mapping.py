"""Turn every exception of the HTTP library, the SDK and the endpoint into a `MiniMaxError` that says what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from mm_magics.api.urls import origin_of
from mm_magics.endpoint import retries
from mm_magics.endpoint.error_body import error_from_body
from mm_magics.endpoint.error_hints import ASK_BASE_URL, base_url_hint, is_final, status_hint, status_of
from mm_magics.endpoint.keys import Key
from mm_magics.endpoint.network_errors import Fault, certificate_error, network_error
from mm_magics.endpoint.sdk import httpx_fault, underlying_error
from mm_magics.errors import ConnectionFailedError, EndpointError, MiniMaxError, ProtocolError, StatusError

MAX_ERROR_BODY_BYTES = 1_000_000
MAX_ERROR_BODY_S = 3.0
MAX_MESSAGE_CHARACTERS = 2_000
MAX_EXCERPT_CHARACTERS = 120
"""How much of a body that is not the Messages API's is quoted."""

RUN_AGAIN = "The partial response is kept. Run the cell again."


class Refusal(NamedTuple):
    """A response that is not a success, as far as its body was read. Names of headers are looked up in any case."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def is_transient(self) -> bool:
        """Whether another attempt may be accepted, within `retries.MAX_WAIT_S`."""
        is_soon = (self.requested_wait or 0.0) <= retries.MAX_WAIT_S
        return retries.is_transient(self.status) and is_soon and not is_final(self.text)

    @property
    def requested_wait(self) -> float | None:
        """The seconds that the endpoint asks to wait; None if it does not."""
        return retries.retry_after(self.headers)


class ErrorMapper:
    """Maps the errors of one endpoint. `timeout`, in seconds, is what a timeout error names."""

    def __init__(self, base_url: str, key: Key, timeout: float) -> None:
        self.base_url, self.key, self.timeout = base_url, key, timeout

    def translate(self, error: BaseException) -> MiniMaxError:
        """Return the error as a `MiniMaxError` with a hint, in printable lines that never contain the key."""
        found = error if isinstance(error, MiniMaxError) else self._mapped(error)
        if not found.hint:
            found.hint = RUN_AGAIN
            if isinstance(found, StatusError):  # reported with status 200: in an event, or in a body
                found.hint = status_hint(status_of(found.type, found.message), found.message, self.base_url, self.key)
        elif found.hint == ASK_BASE_URL:
            found.hint = base_url_hint(self.base_url)
        found.message, found.hint = self._printable(found.message), self._printable(found.hint)
        found.args = (found.message,)
        if isinstance(found, StatusError):
            found.type = found.type and self._printable(found.type)
            found.request_id = found.request_id and self._printable(found.request_id)
        return found

    def _printable(self, text: str) -> str:
        line = " ".join(self.key.redact(text).split())[:MAX_MESSAGE_CHARACTERS]
        return line if line.isprintable() else "".join(each if each.isprintable() else "\ufffd" for each in line)

    def _mapped(self, error: BaseException) -> MiniMaxError:
        import anthropic

        if isinstance(error, anthropic.APIStatusError):
            response = error.response
            return self.status_error(Refusal(response.status_code, response.headers, response.text))
        cause = underlying_error(error) or error
        if isinstance(cause, MiniMaxError):
            return cause
        is_sending = isinstance(error, anthropic.APIConnectionError)  # the SDK wraps only the errors of sending
        return self.network_error(cause, httpx_fault(cause), str(cause), is_sending=is_sending)

    def network_error(
        self, error: BaseException, fault: Fault | None, reason: str, *, is_sending: bool
    ) -> MiniMaxError:
        """Return the error for an exception of an HTTP library, not yet translated.

        Args:
            error: The exception.
            fault: What it means; None if it is not one of the library's own.
            reason: Its text; it may be empty.
            is_sending: Whether it was raised before the response began.
        """
        host, reason = origin_of(self.base_url), reason or type(error).__name__
        if (found := network_error(error, fault, reason, self.base_url)) is not None:
            return found
        if fault is Fault.CONNECT:
            return ConnectionFailedError(
                f"Cannot connect to {host} ({reason}).",
                "Is the base URL correct, and is the server running? Run %minimax doctor to check.",
            )
        if fault is Fault.TIMEOUT:
            return no_response(self.timeout)
        if fault is Fault.DECODING:
            return ProtocolError(f"{host} sent a body that cannot be decompressed.", RUN_AGAIN)
        if fault in (Fault.BROKEN, Fault.PROXY, Fault.URL) or isinstance(error, OSError):
            hint = "No response was received. Run the cell again." if is_sending else RUN_AGAIN
            return ConnectionFailedError(f"The connection to {host} broke ({reason}).", hint)
        return EndpointError(f"The call to {host} failed ({type(error).__name__}: {reason}).", "Run the cell again.")

    def status_error(self, refusal: Refusal) -> StatusError:
        """Return the error for a response that is not a success, not yet translated."""
        status, headers = refusal.status, refusal.headers
        if 300 <= status < 400:
            return StatusError(
                f"{self.base_url} redirects to another URL (HTTP {status}), and the key must not be sent there.",
                "Set MiniMax.base_url to the URL of the endpoint itself.",
                status=status,
            )
        body = _json_object(refusal.text)
        if body is None or not ("error" in body or "base_resp" in body):
            text = " ".join(self.key.redact(refusal.text).split())[:MAX_EXCERPT_CHARACTERS]
            message = (
                f"{self.base_url} responded with HTTP {status}, but not as the Messages API does: "
                f"{text or 'an empty body'}"
            )
            return StatusError(message, self._hint(status, text, headers, is_api=False), status=status)
        if "error" not in body:
            base = body["base_resp"] if isinstance(body["base_resp"], dict) else {}
            body = {"error": {"message": f"{base.get('status_msg')} ({base.get('status_code')})"}}
        found = error_from_body(body, status)
        return StatusError(
            f"{found.message} (HTTP {status}{f', {found.type}' if found.type else ''})",
            self._hint(status, found.message, headers),
            status=status,
            type=found.type,
            request_id=found.request_id or headers.get("minimax-request-id") or headers.get("request-id"),
        )

    def _hint(self, status: int, text: str, headers: Mapping[str, str], *, is_api: bool = True) -> str:
        hint = status_hint(status, text, self.base_url, self.key, is_api=is_api)
        seconds = retries.retry_after(headers) if retries.is_transient(status) else None
        if seconds is None or "resets" in hint:
            return hint
        return f"The endpoint says to retry in {retries.format_duration(seconds)}. Run the cell again after that."


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def no_response(seconds: float) -> ConnectionFailedError:
    """Return the error for a call without data from the endpoint for this many seconds."""
    return ConnectionFailedError(
        f"No response from the endpoint for {seconds:g} s.",
        "The partial response is kept. Run the cell again, or allow more time with --timeout.",
    )


def retry_delay(error: Exception, attempt: int) -> float | None:
    """Return the seconds to wait before retry number `attempt`; None if the error is not worth a retry.

    A timeout is not retried: the endpoint may be generating the response, and the wait was long enough. Neither is a
    response that breaks off, because its tokens would be paid for twice. The SDK wraps only the errors of sending.
    """
    import anthropic

    if isinstance(error, anthropic.APIStatusError):
        refusal = Refusal(error.status_code, error.response.headers, error.response.text)
        return retries.wait_before(attempt, refusal.requested_wait) if refusal.is_transient else None
    cause = underlying_error(error)
    if not isinstance(error, anthropic.APIConnectionError) or certificate_error(error) is not None or cause is None:
        return None
    return retries.backoff(attempt) if httpx_fault(cause) in (Fault.CONNECT, Fault.BROKEN) else None
