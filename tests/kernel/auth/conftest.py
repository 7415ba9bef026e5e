"""Authentication is tested over the same real server as the pipeline."""

from tests.kernel.http.conftest import logged, served, start

__all__ = ["logged", "served", "start"]
