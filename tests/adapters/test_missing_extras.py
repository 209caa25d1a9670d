"""An adapter without its framework says which extra to install. (The wheel's check does it in bare environments.)"""

from __future__ import annotations

import importlib
import sys

import pytest


@pytest.mark.parametrize("framework", ["flask", "quart", "starlette", "fastapi", "django"])
def test_missing_extra(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The import fails, and the message names the extra."""
    name = f"async_kerberos.adapters.{framework}"
    for module in [module for module in sys.modules if module == name or module.partition(".")[0] == framework]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, framework, None)
    with pytest.raises(ImportError, match=rf"pip install 'async-kerberos\[{framework}\]'"):
        importlib.import_module(name)
