"""The countries of ISO 3166, by their two letters, and which one somebody may mean by another word.

Not here: which lines of help a country has (`samantha/care/referrals.toml`).
"""

import difflib
import re

COUNTRIES = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
    FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
    JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
    MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
    PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
    """.split()
)

_MEANT = {
    "AMERICA": "US",
    "AUSTRALIA": "AU",
    "BRITAIN": "GB",
    "CANADA": "CA",
    "CHINA": "CN",
    "ENGLAND": "GB",
    "FRANCE": "FR",
    "GERMANY": "DE",
    "INDIA": "IN",
    "IRELAND": "IE",
    "JAPAN": "JP",
    "UK": "GB",
    "USA": "US",
    "中国": "CN",
}
"""What people write in place of a code, where no likeness of letters would find it."""


def nearest_country(written: str) -> str:
    """The code that somebody who wrote `written` most likely meant."""
    plain = written.strip().upper()
    near = difflib.get_close_matches(plain, sorted(COUNTRIES), n=1, cutoff=0)[0]
    return _MEANT.get(plain, near)


def country_of_locale(name: str) -> str:
    """The country in the name of a locale: "zh_CN.UTF-8" -> "CN"; "" where it names none ("C", "en")."""
    found = re.match(r"[a-z]{2,3}(?:[_-][A-Za-z]{4})?[_-]([A-Z]{2})(?![A-Za-z])", name)
    return found[1] if found and found[1] in COUNTRIES else ""
