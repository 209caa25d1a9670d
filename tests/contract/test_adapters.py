"""Which adapters the contract runs on."""

from __future__ import annotations

from pathlib import Path

import async_kerberos.adapters

from ..support import apps, deployments


def test_every_adapter_is_there() -> None:
    """Every adapter's file has an application here, and that application is among the deployments."""
    (folder,) = async_kerberos.adapters.__path__
    # Django's asks for nothing: it stands below the middleware of ASGI or WSGI.
    adapters = {path.stem for path in Path(folder).glob("*.py")} - {"__init__", "django"}
    (folder,) = apps.__path__
    used = Path(deployments.__file__).read_text()
    sources = [path.read_text() for path in Path(folder).glob("*_app.py") if f"{path.stem}." in used]
    missing = [
        name for name in adapters if not any(f"async_kerberos.adapters.{name} import" in text for text in sources)
    ]
    assert not missing
