"""The picture out of a multipart form, by python-multipart.

The form is in memory already, and its size is limited. It is parsed in a thread of the queue: a hostile form may take
some milliseconds. Headers of parts, and the Content-Type, are short in every real client; python-multipart reads
their parameters in a time that grows with the square of their length, so longer ones are refused first.
"""

from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.http.problems import BAD_REQUEST, Problem

FIELD: Final = "image"
MAX_PARTS: Final = 16
MAX_HEADER: Final = 1_024  # bytes of Content-Type, and of each header of a part

_HOW: Final = f"send one form field `{FIELD}` with the file, as `curl -F {FIELD}=@photo.jpg` does"


def picture(body: bytes, content_type: str) -> bytes:
    """The content of the form's one field ``image``.

    Args:
        body: the whole form.
        content_type: the header, with the boundary.

    Raises:
        Problem: it is no form, or has no such field, or two of them.
    """
    parts = _Parts()
    try:
        parser = MultipartParser(
            boundary(content_type),
            parts.callbacks(),  # type: ignore[arg-type]  # a TypedDict
            max_header_size=MAX_HEADER,
        )
        parser.write(body)
        parser.finalize()
    except (FormParserError, ValueError) as error:
        raise Problem(BAD_REQUEST, f"the form is none that can be read; {_HOW}") from error
    if not parts.ended:
        raise Problem(BAD_REQUEST, f"the form breaks off or is none; {_HOW}")
    found = [content for name, content in parts.found if name == FIELD]
    if not found:
        others = ", ".join(ascii(name[:40]) for name, _ in parts.found)
        there = f"its fields are {others}" if others else "it is empty"
        raise Problem(BAD_REQUEST, f"the form has no field `{FIELD}` ({there}); {_HOW}")
    if len(found) > 1:
        raise Problem(BAD_REQUEST, f"the form has {len(found)} fields `{FIELD}`; send one picture a request")
    return bytes(found[0])


def boundary(content_type: str) -> bytes:
    """The form's delimiter.

    Raises:
        Problem: there is none, or none of a sane length.
    """
    if len(content_type) > MAX_HEADER:
        raise Problem(BAD_REQUEST, f"the Content-Type is longer than {MAX_HEADER} bytes; {_HOW}")
    _, parameters = parse_options_header(content_type)
    found = parameters.get(b"boundary", b"")
    if not 1 <= len(found) <= 70:
        raise Problem(BAD_REQUEST, f"the Content-Type of the form has no usable boundary; {_HOW}")
    return found


class _Parts:
    """What the parser tells of, part by part."""

    def __init__(self) -> None:
        self.found: list[tuple[str, bytearray]] = []
        self.ended = False
        self._name = self._value = b""
        self._field: str | None = None

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.found) >= MAX_PARTS:
            raise Problem(BAD_REQUEST, f"the form has more than {MAX_PARTS} parts; {_HOW}")
        self._field = None

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._name.strip().lower() == b"content-disposition":
            _, parameters = parse_options_header(self._value)
            self._field = parameters.get(b"name", b"").decode("utf-8", "replace")
        self._name = self._value = b""

    def _headers_finished(self) -> None:
        if self._field is None:
            raise Problem(BAD_REQUEST, f"a part of the form has no Content-Disposition; {_HOW}")
        self.found.append((self._field, bytearray()))

    def _data(self, data: bytes, start: int, end: int) -> None:
        self.found[-1][1].extend(memoryview(data)[start:end])

    def _end(self) -> None:
        self.ended = True
