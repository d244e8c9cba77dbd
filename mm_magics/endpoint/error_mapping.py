"""Every fault of the HTTP library, the SDK and the endpoint as one of our errors, with what to do.

Always true: what comes from here is in plain lines, and holds no key, should the endpoint have echoed it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mm_magics.endpoint import retries
from mm_magics.endpoint.error_body import error_from_body
from mm_magics.endpoint.error_hints import status_hint, status_of
from mm_magics.endpoint.keys import Key
from mm_magics.endpoint.reader import silence
from mm_magics.errors import ConnectionFailedError, EndpointError, MiniMaxError, ProtocolError, StatusError

if TYPE_CHECKING:
    import httpx2

MAX_ERROR_BODY = 2_000


class Faults:
    """The faults of one endpoint. `timeout` in seconds: what a silence is told as."""

    def __init__(self, base_url: str, key: Key, timeout: float) -> None:
        self.base_url, self.key, self.timeout = base_url, key, timeout

    def translate(self, error: BaseException) -> MiniMaxError:
        """Ours for theirs, with what to do; in plain lines, and without the key should the endpoint have echoed it."""
        found = error if isinstance(error, MiniMaxError) else self._translated(error)
        if not found.hint:
            found.hint = "What came is kept; run the cell again."
            if isinstance(found, StatusError):  # it came with status 200: as an event, or as a body
                found.hint = status_hint(status_of(found.type, found.message), found.message, self.base_url, self.key)
        found.message, found.hint = self._plain(found.message), self._plain(found.hint)
        found.args = (found.message,)
        if isinstance(found, StatusError):
            found.type = found.type and self._plain(found.type)
            found.request_id = found.request_id and self._plain(found.request_id)
        return found

    def _plain(self, text: str) -> str:
        line = " ".join(self.key.hide(text).split())[:MAX_ERROR_BODY]
        return line if line.isprintable() else "".join(each if each.isprintable() else "\ufffd" for each in line)

    def _translated(self, error: BaseException) -> MiniMaxError:
        import anthropic
        import httpx2

        host = urlsplit(self.base_url).netloc
        if isinstance(error, anthropic.APIStatusError):
            return self._status_error(error.response)
        cause = error.__cause__ if isinstance(error, anthropic.APIConnectionError) else error
        if isinstance(cause, MiniMaxError):
            return cause
        what = str(cause) if cause is not None and str(cause) else type(cause).__name__
        if isinstance(cause, httpx2.ConnectTimeout | httpx2.ConnectError):
            return ConnectionFailedError(
                f"Nothing answers at {host} ({what}).",
                "Is the base URL right, and the server up? %minimax doctor tells more.",
            )
        if isinstance(cause, httpx2.TimeoutException):
            return silence(self.timeout)
        if isinstance(cause, httpx2.DecodingError):
            return ProtocolError(
                f"{host} sent a body that cannot be decompressed.", "What came is kept; run the cell again."
            )
        if isinstance(cause, httpx2.TransportError | OSError):
            return ConnectionFailedError(
                f"The connection to {host} broke ({what}).", "What came is kept; run the cell again."
            )
        return EndpointError(f"The call to {host} failed ({type(cause).__name__}: {what}).", "Run the cell again.")

    def _status_error(self, response: httpx2.Response) -> StatusError | ProtocolError:
        status = response.status_code
        if response.is_redirect:
            return StatusError(
                f"{self.base_url} redirects elsewhere (HTTP {status}); that is not followed, the key is for this host.",
                "Set MiniMax.base_url to the endpoint itself.",
                status=status,
            )
        try:
            body = response.json()
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict) or not ("error" in body or "base_resp" in body):
            text = " ".join(self.key.hide(response.text).split())[:120]
            return StatusError(
                f"{self.base_url} answered HTTP {status}, not in the Messages API's form: {text or 'an empty body'}",
                "Does the base URL end in /anthropic?",
                status=status,
            )
        if "error" not in body:
            base = body["base_resp"] if isinstance(body["base_resp"], dict) else {}
            body = {"error": {"message": f"{base.get('status_msg')} ({base.get('status_code')})"}}
        found = error_from_body(body, status)
        request_id = (
            found.request_id or response.headers.get("minimax-request-id") or response.headers.get("request-id")
        )
        hint = status_hint(status, found.message, self.base_url, self.key)
        if (seconds := retries.asked(response.headers)) is not None and retries.passes(status):
            hint = f"The endpoint asks to wait {retries.spoken(seconds)}; run the cell again after that."
        return StatusError(
            f"{found.message} (HTTP {status}{f', {found.type}' if found.type else ''})",
            hint,
            status=status,
            type=found.type,
            request_id=request_id,
        )


def pause_after(error: Exception, attempt: int) -> float | None:
    """Seconds before this new try; None if there is to be none.

    A silence is not tried again: the endpoint may be at work on the answer, and the wait was long enough.
    """
    import anthropic
    import httpx2

    if isinstance(error, anthropic.APIStatusError):
        wanted = retries.asked(error.response.headers)
        if not retries.passes(error.status_code) or (wanted or 0.0) > retries.LONGEST_S:
            return None
        return retries.pause(attempt) if wanted is None else wanted
    passing = (httpx2.NetworkError, httpx2.ConnectTimeout, httpx2.RemoteProtocolError)
    return retries.pause(attempt) if isinstance(error.__cause__, passing) else None
