"""Fields of one row: quotes as in RFC 4180."""

import re

_QUOTED = re.compile(r'"([^"]*+(?:""[^"]*+)*+)"')


class Malformed(ValueError):
    """Something follows a closing quote that is no delimiter."""


class Unclosed(ValueError):
    """A quoted field has no end yet."""


def split(text: str, delimiter: str) -> list[str]:
    """The fields of a row. A quote counts where a field begins; elsewhere it is a character like others."""
    if '"' not in text:
        return text.split(delimiter)
    fields, at = [], 0
    while True:
        if text.startswith('"', at):
            match = _QUOTED.match(text, at)
            if match is None:
                raise Unclosed
            fields.append(match[1].replace('""', '"'))
            at = match.end()
            if at == len(text):
                return fields
            if text[at] != delimiter:
                raise Malformed
            at += 1
            continue
        end = text.find(delimiter, at)
        if end < 0:
            fields.append(text[at:])
            return fields
        fields.append(text[at:end])
        at = end + 1
