"""What a client would rather have, by the weights that it gives."""

from __future__ import annotations

import pytest

from async_kerberos._protocol.negotiation import Kind, kind_of, language_of

CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ([], "text"),
        ([""], "text"),
        ([","], "text"),
        (["*/*"], "text"),
        (["text/*"], "text"),
        (["text/plain"], "text"),
        (["image/png"], "text"),
        (["image/avif,image/*,*/*;q=0.8"], "text"),
        ([CHROMIUM], "html"),
        (["TEXT/HTML"], "html"),
        (["application/xhtml+xml"], "html"),
        (["text/html;level=1"], "html"),
        (["application/json"], "json"),
        (["application/json, text/plain, */*"], "json"),  # axios
        (["application/json, */*;q=0.5"], "json"),  # HTTPie
        (["application/problem+json"], "json"),
        (["application/vnd.api+json"], "json"),
        (["*/*, application/json"], "json"),  # of the same weight, what is named comes first
        (["application/json;q=0.5, */*"], "text"),
        (["application/json;q=0.5, text/html"], "html"),
        (["text/html;q=0.5, application/json;q=0.6"], "json"),
        (["text/plain, application/json"], "text"),
        (["text/html;q=0, */*"], "text"),
        (["text/html;q=0.000"], "text"),
        (["text/html ; q=1.000"], "html"),
        (["text/html;q=2"], "text"),  # no weight of the grammar's
        (["text/html;q="], "text"),
        (["text/html;q=nan"], "text"),
        (["text/html;q=0.1234"], "text"),
        (["*/*;q=0.1", "text/html"], "html"),
        (["a/a," * 31 + "text/html"], "html"),
        (["a/a," * 32 + "text/html"], "text"),
        (["text/html," + "a" * 1000], "text"),
    ],
)
def test_kind(accept: list[str], kind: Kind) -> None:
    """Who names HTML or JSON gets it, if nothing else is wanted more; whatever cannot be read counts for nothing."""
    assert kind_of(accept) == kind


@pytest.mark.parametrize(
    ("accept_language", "language"),
    [
        ([], "en"),
        (["de"], "de"),
        (["de-AT"], "de"),
        (["de-Latn-DE-1996"], "de"),
        (["DE"], "de"),
        (["den"], "en"),
        (["fr, de;q=0.5"], "de"),
        (["en;q=0.5, de;q=0.6"], "de"),
        (["de;q=0.5, en"], "en"),
        (["de;q=0"], "en"),
        (["*"], "en"),
        (["*, de;q=0.1"], "de"),
        (["-"], "en"),
    ],
)
def test_language(accept_language: list[str], language: str) -> None:
    """The first of the known languages, by weight; a region's is the language's."""
    assert language_of(accept_language, ("de", "en"), "en") == language
