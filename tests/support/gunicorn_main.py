"""The program that :class:`tests.support.servers.Gunicorn` runs."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]


class _Application(BaseApplication):  # type: ignore[misc] # gunicorn has no annotations
    def __init__(self, factory: str, listening: int, ready: int, options: Mapping[str, str]) -> None:
        self._factory = factory
        self._listening = listening
        self._ready = ready
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        settings: dict[str, Any] = {
            "bind": f"fd://{self._listening}",
            "worker_class": "gthread",
            "workers": 1,
            "threads": 4,
            "keepalive": 30,
            "graceful_timeout": 5,
            "post_worker_init": self._announce,
            "errorlog": "-",
            "loglevel": "warning",
            # In memory: a heartbeat needs no disk.
            "worker_tmp_dir": "/dev/shm" if Path("/dev/shm").is_dir() else None,
            **self._options,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        # Imported by the worker: gevent's has replaced parts of the standard library by then.
        module, _, name = self._factory.partition(":")
        return getattr(importlib.import_module(module), name)()

    def _announce(self, worker: object) -> None:
        os.write(self._ready, b"1")


def main(factory: str, listening: int, ready: int, options: Mapping[str, str]) -> None:
    """Serve what the factory makes on a socket; a byte is written to ``ready`` when a worker is up."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
    _Application(factory, listening, ready, options).run()
