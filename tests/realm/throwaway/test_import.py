"""Importing :mod:`async_kerberos.testing`."""

import sys

import pytest

from ...support.realms import script

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


def test_missing_extra_is_named() -> None:
    """Without k5test the import fails with the name of the extra."""
    with script("sys.modules['k5test'] = None; import async_kerberos.testing") as process:
        _, said = process.communicate()
    assert "ImportError: async_kerberos.testing needs k5test: pip install 'async-kerberos[testing]'" in said


def test_import_is_light() -> None:
    """The import loads no web framework, and of gssapi nothing that the core does not load."""
    code = """
        import async_kerberos
        before = set(sys.modules)
        import async_kerberos.testing
        print({name.partition(".")[0] for name in set(sys.modules) - before})
    """
    with script(code) as process:
        out, said = process.communicate()
    assert said == ""
    assert not [name for name in ("gssapi", "flask", "quart", "starlette", "fastapi") if f"'{name}'" in out]
