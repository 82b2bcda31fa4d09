"""What is sent to and fro about sessions."""

from typing import Annotated, Literal

from pydantic import Field

from .message import Message


class SigningIn(Message):
    """A token, shown once for a session."""

    token: Annotated[str, Field(min_length=1, max_length=1_024, description="as `tocsin tokens create` told it")]


class Signed(Message):
    """Who is asking."""

    name: str = Field(description="of the token; local or configuration without one of the file; empty: nobody")
    role: Literal["viewer", "operator", "admin", ""]
    expires: str = Field(description="when the session ends, ISO 8601; empty: there is none")
