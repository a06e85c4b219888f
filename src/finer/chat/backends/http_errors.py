"""What a server's error means: try again, give this request up, or stop the job with a reason that can be mended."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime

import openai

from finer.errors import InputError

_AGAIN = {408: "timeout", 409: "overloaded", 425: "overloaded", 429: "overloaded"}
_NO_MONEY = ("insufficient_quota", "billing_not_active", "billing_hard_limit_reached")
_TOO_LONG = re.compile(r"context.{0,3}(length|size|window)|too many tokens|prompt is too long", re.IGNORECASE)
_FILTERED = ("content_filter", "content_policy_violation")
_SECRET = re.compile(r"\b(sk|key|Bearer)[-_ ][\w*.-]{6,}", re.IGNORECASE)
_STATUS = re.compile(r"^Error code: \d+ - ")
_LONGEST_WAIT = 900.0  # seconds that a server may ask for


class PassingError(Exception):
    """An error that may be gone at the next attempt."""

    def __init__(self, reason: str, detail: str, retry_after: float | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.retry_after = retry_after


def passing(error: Exception, key: str) -> PassingError | None:
    """Return an error as one that may pass; None if it will not."""
    detail = _said(error, key)
    if isinstance(error, openai.APITimeoutError | TimeoutError):
        return PassingError("timeout", detail or "no reply in time")
    if isinstance(error, openai.APIStatusError):
        return _status(error, detail)
    if isinstance(error, openai.APIConnectionError):
        return PassingError("connection", _said(error.__cause__ or error, key) or detail)
    return PassingError("server_error", f"not a reply: {detail}")


def _status(error: openai.APIStatusError, detail: str) -> PassingError | None:
    status = error.status_code
    if status == 429 and error.code in _NO_MONEY:
        return None
    reason = _AGAIN.get(status) or ("server_error" if status >= 500 else None)
    if reason is None:
        return None
    named = retry_after(error)
    if named is not None and named > _LONGEST_WAIT:
        return None
    return PassingError(reason, f"{status} {detail}", named)


def retry_after(error: openai.APIStatusError) -> float | None:
    """Return the seconds that the server asks to wait, if it does."""
    headers = error.response.headers
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        return max(0.0, float(headers["retry-after"]))
    except KeyError:
        return None
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def is_too_long(error: openai.APIStatusError) -> bool:
    """Tell whether the request does not fit the model's context: it is the request's fault, not the job's."""
    return error.status_code in (400, 413) and bool(
        _TOO_LONG.search(str(error.code or "")) or _TOO_LONG.search(error.message)
    )


def refused(error: openai.APIStatusError) -> bool:
    """Tell whether a filter refused the request."""
    return error.status_code == 400 and error.code in _FILTERED


def explain(error: Exception, address: str, model: str, variable: str | None, key: str) -> InputError:
    """Return what a user can do about an error that will not pass."""
    status = error.status_code if isinstance(error, openai.APIStatusError) else None
    code = error.code if isinstance(error, openai.APIStatusError) else None
    cure = {
        401: f"put a valid key into {variable}" if variable else "name the key's environment variable in its `key`",
        403: "ask the server's owner for access to this model",
        404: "check `base_url` (it ends in /v1, as a rule) and the model's name",
        429: "add credit or wait as long as the server says, then run again",
    }.get(status or 0, "change the model's entry or its back end as the message says")
    if code in _NO_MONEY:
        cure = "add credit at the server's owner, then run again"
    return InputError(
        f"the server refuses to answer ({status})", file=address, field=f"model {model}", found=_said(error, key),
        expected="a reply", cure=f"{cure}; what was answered is kept and is not asked again",
    )  # fmt: skip


def _said(error: BaseException, key: str) -> str:
    """Return an error's words without the key or what looks like one."""
    text = _STATUS.sub("", getattr(error, "message", None) or str(error)) or type(error).__name__
    if len(key) > 4:
        text = text.replace(key, "…")
    return _SECRET.sub(r"\1-…", " ".join(text.split()))[:500]
