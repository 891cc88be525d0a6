"""`/docs`: the OpenAPI document in Swagger UI, all of it from here: no script, style or font of another host."""

from html import escape
from pathlib import Path
from typing import Final

import fastapi_swagger
from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from service.problems import KINDS

ASSETS: Final = StaticFiles(directory=Path(fastapi_swagger.__file__).parent / "resources")
_KINDS: Final = "\n".join(f'<tr id="{k.name}"><td>{k.name}<td>{k.status}<td>{escape(k.title)}' for k in KINDS)
_PAGE: Final = f"""\
<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>The service</title>
<link rel="stylesheet" href="/docs/swagger-ui.css"><div id="swagger"></div>
<h2>Problems</h2><p>All errors have one shape (RFC 9457): <code>type</code> is an address in this table.</p>
<table><tr><th>type<th>status<th>title
{_KINDS}
</table><script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></html>
"""
# What FastAPI's own page has inline, which the policy allows in no page.
_START: Final = 'SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger", deepLinking: true});'

router = APIRouter(include_in_schema=False)
router.add_api_route("/docs", lambda: HTMLResponse(_PAGE), response_class=HTMLResponse)
router.add_api_route("/docs/start.js", lambda: Response(_START, media_type="text/javascript"))
