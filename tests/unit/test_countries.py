"""Countries by their two letters."""

import pytest

from samantha.core.countries import COUNTRIES, country_of_locale, nearest_country


@pytest.mark.parametrize(
    ("name", "country"),
    [
        ("zh_CN.UTF-8", "CN"),
        ("en_US", "US"),
        ("en-GB", "GB"),
        ("zh_Hant_TW", "TW"),
        ("de_DE@euro", "DE"),
        ("C.UTF-8", ""),
        ("POSIX", ""),
        ("en", ""),
        ("", ""),
        ("eo_XX", ""),
    ],
)
def test_a_locale_tells_its_country(name: str, country: str) -> None:
    assert country_of_locale(name) == country


@pytest.mark.parametrize(
    ("written", "code"), [("uk", "GB"), ("USA", "US"), ("China", "CN"), ("中国", "CN"), ("CNN", "CN")]
)
def test_what_somebody_wrote_has_a_nearest_country(written: str, code: str) -> None:
    assert nearest_country(written) == code


@pytest.mark.parametrize("written", ["", "?", "1234567890", "Ünïcödé", "x" * 1000])
def test_there_is_always_a_nearest_country(written: str) -> None:
    assert nearest_country(written) in COUNTRIES
