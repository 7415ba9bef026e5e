"""Addresses of outside systems, as operators set them."""

from typing import Annotated

from pydantic import AfterValidator


def _address(value: str) -> str:
    if not value.startswith(("https://", "http://")):
        raise ValueError("must begin with https:// (or http:// on a laptop)")
    return value.rstrip("/")


Address = Annotated[str, AfterValidator(_address)]
"""An address without its last slash."""
