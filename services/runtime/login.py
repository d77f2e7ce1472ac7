"""Who may see the pages: a browser that has shown the token once holds a cookie that proves it.

The cookie is derived from the token, so that the token itself is not in the browser, and one login serves the pages of
every service on the same host.
"""

from __future__ import annotations

import hashlib
import hmac
from html import escape
from urllib.parse import parse_qs, urlencode

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import Headers

from services.runtime.settings import Settings

COOKIE = "leadloop_session"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def session_of(token: str) -> str:
    """What the cookie holds for an installation with this token."""
    return hmac.new(token.encode(), b"leadloop session", hashlib.sha256).hexdigest()


def bears(headers: Headers, token: str) -> bool:
    """Whether the Authorization header proves the token."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())


def admitted(method: str, headers: Headers, cookies: dict[str, str], token: str) -> bool:
    """Whether a request proves the token: by its Authorization header, or by the cookie of a page of ours.

    The cookie alone changes nothing: a request that writes must also come from a page of the same origin, as the browser says.
    """
    if bears(headers, token):
        return True
    if not hmac.compare_digest(cookies.get(COOKIE, "").encode(), session_of(token).encode()):
        return False
    return method in _SAFE_METHODS or headers.get("sec-fetch-site") == "same-origin"


def address_with_token(url: str, token: str) -> str:
    """The address of a page that logs its visitor in."""
    return f"{url}?{urlencode({'token': token})}"


def turned_away(request: Request, settings: Settings) -> Response | None:
    """None if the visitor of a page is admitted; else the answer that he gets: a cookie for his token, or the login form."""
    given = request.query_params.get("token")
    if given is not None and hmac.compare_digest(given.encode(), settings.token.encode()):
        return _welcome(request, settings, str(request.url.remove_query_params("token")))
    if admitted(request.method, request.headers, request.cookies, settings.token):
        return None
    return HTMLResponse(_form(request.url.path, wrong=given is not None), status_code=401)


def add_login(app: FastAPI, settings: Settings) -> None:
    """Add the door that the login form posts to."""

    @app.post("/login", include_in_schema=False)
    async def login(request: Request) -> Response:
        fields = parse_qs((await request.body()).decode(errors="replace"))
        token, to = fields.get("token", [""])[0].strip(), fields.get("to", ["/"])[0]
        to = to if to.startswith("/") and not to.startswith(("//", "/\\")) else "/"
        if not hmac.compare_digest(token.encode(), settings.token.encode()):
            return HTMLResponse(_form(to, wrong=True), status_code=401)
        return _welcome(request, settings, to)


def _welcome(request: Request, settings: Settings, to: str) -> Response:
    answer = RedirectResponse(to, status_code=303)
    answer.set_cookie(
        COOKIE,
        session_of(settings.token),
        max_age=30 * 24 * 3600,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


def _form(to: str, *, wrong: bool) -> str:
    message = '<p role="alert">That is not this installation’s token.</p>' if wrong else ""
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>leadloop – log in</title><style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }}
body {{ display: grid; place-items: center; min-height: 100vh; margin: 0; background: light-dark(#f5f5f2, #14161a) }}
form {{ background: light-dark(#fff, #1d2026); padding: 2rem; border-radius: 14px; width: min(22rem, 90vw);
  box-shadow: 0 1px 3px #0003 }}
h1 {{ font-size: 1.2rem; margin: 0 0 1rem }} label {{ display: block; margin-bottom: .3rem }}
input, button {{ font: inherit; width: 100%; box-sizing: border-box; padding: .6rem .8rem; border-radius: 8px;
  border: 1px solid light-dark(#bbb, #555) }}
button {{ margin-top: 1rem; background: #2f6f5e; color: #fff; border: 0; cursor: pointer }}
[role=alert] {{ color: light-dark(#a3261b, #ff9d92) }} small {{ color: light-dark(#666, #aaa) }}
</style><form method="post" action="/login"><h1>leadloop</h1>{message}
<input type="hidden" name="to" value="{escape(to)}"><label for="token">Token of this installation</label>
<input id="token" name="token" type="password" autocomplete="current-password" autofocus required>
<button>Log in</button><p><small><code>leadloop up</code> prints an address that logs you in.</small></p></form></html>"""
