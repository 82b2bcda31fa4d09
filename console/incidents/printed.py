"""The report as PDF, where WeasyPrint is installed (the extra ``pdf``)."""

import logging
from importlib.util import find_spec
from typing import Any

from contracts.errors import Unavailable

#: Pictures within a page do not get its style sheet, and paper is always light.
_PICTURE = (
    ".curve{fill:#1c1c1c;stroke:#1c1c1c;stroke-width:1}line{stroke-width:2}line.found{stroke:#b91c1c}"
    "line.began{stroke:#b91c1c;stroke-dasharray:5 4}line.fault{stroke:#c2410c}line.model{stroke:#2a6fbb}"
)
_PAPER = (
    "@page{size:A4;margin:15mm}body{font-size:9pt;max-width:none;padding:0}td{min-width:0}svg{width:180mm;height:40mm}"
)


def installed() -> bool:
    """Whether PDF can be made here."""
    return find_spec("weasyprint") is not None


def printed(html: str) -> bytes:
    """A page as PDF; nothing is fetched, whatever is in it. Raises Unavailable when the engine cannot do it."""
    # Its fonts and libraries of the system are looked for at import, which raises where they are not there.
    try:
        from weasyprint import HTML
        from weasyprint.urls import URLFetcher
    except (ImportError, OSError) as error:
        raise Unavailable(f"WeasyPrint cannot be used: {error}") from error
    logging.getLogger("weasyprint").setLevel(logging.CRITICAL)
    text = html.replace("</style>", f"{_PAPER}</style>", 1)
    parts = text.split("<svg ")
    drawn = [parts[0], *(part.replace(">", f"><style>{_PICTURE}</style>", 1) for part in parts[1:])]
    try:
        made: Any = HTML(string="<svg ".join(drawn), url_fetcher=URLFetcher(allowed_protocols=())).write_pdf()
    except (OSError, ValueError, ArithmeticError) as error:
        raise Unavailable(f"WeasyPrint cannot print it: {error}") from error
    return bytes(made)
