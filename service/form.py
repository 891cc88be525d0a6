"""The picture out of a multipart form that is in memory as a whole.

python-multipart parses a stream byte by byte in Python: 10 MB of hostile line ends would hold the event loop
for seconds. The body is at most some megabytes and there already, so splitting it at the delimiter, which is
one search in C, is faster and simpler.

Source: RFC 7578 (multipart/form-data), RFC 2046, 5.1 (delimiters).
"""

from email.message import Message
from typing import Final

from service.problems import BAD_REQUEST, Problem

FIELD: Final = "image"
MAX_PARTS: Final = 16
MAX_PART_HEAD: Final = 4_096  # bytes

_HOW: Final = f"send one form field `{FIELD}` with the file, as `curl -F {FIELD}=@photo.jpg` does"


def picture(body: bytes, content_type: str) -> bytes:
    """The content of the form's one field ``image``.

    Args:
        body: the whole form.
        content_type: the header, with the boundary.

    Raises:
        Problem: it is no form, or has no such field, or two of them.
    """
    boundary = parameter(content_type, "boundary")
    if boundary is None or not 1 <= len(boundary) <= 70 or not boundary.isascii():
        raise Problem(BAD_REQUEST, f"the Content-Type of the form has no usable boundary; {_HOW}")
    _, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode(), MAX_PARTS + 2)
    end = next((number for number, part in enumerate(parts) if part.startswith(b"--")), None)
    if len(parts) > MAX_PARTS + 1:
        raise Problem(BAD_REQUEST, f"the form has more than {MAX_PARTS} parts; {_HOW}")
    if end is None:
        raise Problem(BAD_REQUEST, f"the form breaks off or is none; {_HOW}")
    found: list[bytes] = []
    others: list[str] = []
    for part in parts[:end]:
        name, content = _open(part)
        if name == FIELD:
            found.append(content)
        else:
            others.append(name)
    if not found:
        there = (
            f"its fields are {', '.join(ascii(name[:40]) for name in others)}" if others else "it is empty"
        )
        raise Problem(BAD_REQUEST, f"the form has no field `{FIELD}` ({there}); {_HOW}")
    if len(found) > 1:
        raise Problem(BAD_REQUEST, f"the form has {len(found)} fields `{FIELD}`; send one picture a request")
    return found[0]


def parameter(header: str, name: str) -> str | None:
    """A parameter of a header such as Content-Type; None where it has none."""
    message = Message()
    message["content-type"] = header.replace("\r", " ").replace("\n", " ")
    value = message.get_param(name)
    return value if isinstance(value, str) else None


def _open(part: bytes) -> tuple[str, bytes]:
    """Name and content of what lies between two delimiters."""
    head, found, _ = part[:MAX_PART_HEAD].partition(b"\r\n\r\n")
    if not found:
        raise Problem(BAD_REQUEST, f"a part of the form has no head; {_HOW}")
    for line in head.split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.strip().lower() == b"content-disposition":
            name = parameter(value.decode("utf-8", "replace"), "name")
            return name or "", part[len(head) + len(found) :]
    raise Problem(BAD_REQUEST, f"a part of the form has no Content-Disposition; {_HOW}")
