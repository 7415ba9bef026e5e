"""The payor's pages: submit a claim, follow it, decide what waits, look up codes."""

from kiungo.console.payor.pages import PayorPages

__all__ = ["PayorPages"]
