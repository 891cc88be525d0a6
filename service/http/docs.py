"""`/docs`: the OpenAPI document in Swagger UI, all of it from here: no script, style or font of another host."""

import html
from pathlib import Path
from typing import Final

import fastapi_swagger
from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from service.problems import KINDS

ASSETS: Final = StaticFiles(directory=Path(fastapi_swagger.__file__).parent / "resources")

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>The service's addresses</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<div id="swagger"></div>
<h2>Problems</h2>
<p>All errors have one shape (RFC 9457): <code>type</code> is an address in this table.</p>
<table><tr><th>type</th><th>status</th><th>title</th></tr>
{problems}
</table>
<script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script>
</html>
"""
_START: Final = 'SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger", deepLinking: true});'

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def docs() -> HTMLResponse:
    """The page."""
    rows = [
        f'<tr id="{kind.name}"><td>{kind.name}</td><td>{kind.status}</td><td>{html.escape(kind.title)}</td></tr>'
        for kind in KINDS
    ]
    return HTMLResponse(_PAGE.format(problems="\n".join(rows)))


@router.get("/docs/start.js")
async def start() -> Response:
    """What FastAPI's own page has inline, which the policy allows in no page."""
    return Response(_START, media_type="text/javascript")
