"""`/docs`: the OpenAPI document as a page of plain HTML, which needs no script, no CDN and no network."""

import html
import json
from typing import Any, Final

from service.page import STYLE_SOURCE
from service.problems import KINDS

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<link rel="stylesheet" href="{style}">
<h1>{title}</h1>
<p>{description} Also as <a href="/openapi.json">OpenAPI document</a>.</p>
{operations}
<section><h2>Problems</h2>
<p>All errors have one shape (RFC 9457): <code>type</code> is an address in this table.</p>
<table><tr><th>type</th><th>status</th><th>title</th></tr>
{problems}
</table></section>
</html>
"""


def render(document: dict[str, Any]) -> str:
    """The page for an OpenAPI document."""
    info = document["info"]
    operations = [
        _operation(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    problems = [
        f'<tr id="{kind.name}"><td><code>{kind.name}</code></td><td>{kind.status}</td><td>{_(kind.title)}</td></tr>'
        for kind in KINDS
    ]
    return _PAGE.format(
        title=_(info["title"]),
        description=_(info["description"]),
        style=STYLE_SOURCE,
        operations="\n".join(operations),
        problems="\n".join(problems),
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [
        f"<section><h2><code>{method.upper()} {_(path)}</code></h2>",
        f"<p><strong>{_(operation['summary'])}</strong> {_(operation.get('description', ''))}</p>",
    ]
    for parameter in operation.get("parameters", ()):
        parts.append(
            f"<p><code>{_(parameter['name'])}</code>: {_(parameter.get('description', 'see above'))}</p>"
        )
    if body := operation.get("requestBody"):
        parts.append(f"<p>Takes {_(', '.join(body['content']))}: {_(body['description'])}.</p>")
    if examples := operation.get("x-examples"):
        parts.append(f"<pre>{_(chr(10).join(examples))}</pre>")
    parts.append("<table>")
    for status, answer in operation["responses"].items():
        content: dict[str, Any] = answer.get("content", {})
        example = next((each["example"] for each in content.values() if "example" in each), None)
        shown = f"<pre>{_(json.dumps(example, indent=2))}</pre>" if example is not None else ""
        parts.append(
            f"<tr><td>{status}</td><td>{_(answer['description'])} {_(', '.join(content))}{shown}</td></tr>"
        )
    return "\n".join([*parts, "</table></section>"])


def _(text: str) -> str:
    return html.escape(text)
