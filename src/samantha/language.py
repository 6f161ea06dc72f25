"""The two languages of the surfaces: which one a person uses, and the Chinese for an English sentence.

The English text stands where it is used; `locale/zh.toml` maps it to Chinese. A test holds the catalogue to
every template in the source. Not here: what language a reply is in, which is the brain's business.
"""

import locale
import os
import tomllib
from functools import cache
from importlib.resources import files

from samantha.core.text import Language as Language
from samantha.core.text import Text


@cache
def catalogue(language: Language) -> dict[str, str]:
    """English template -> template in `language`; empty for English."""
    if language == "en":
        return {}
    source = files("samantha").joinpath("locale", f"{language}.toml").read_text(encoding="utf-8")
    return {entry["en"]: entry[language] for entry in tomllib.loads(source)["text"]}


def translate(text: Text | str, language: Language) -> str:
    """`text` as a sentence in `language`; English where the catalogue has no entry."""
    if isinstance(text, str):
        return catalogue(language).get(text, text)
    values = {
        key: translate(value, language) if isinstance(value, Text) else value for key, value in text.values.items()
    }
    return str(Text(catalogue(language).get(text.template, text.template), values))


def language_of_machine() -> Language:
    """The language that the environment asks for (`LC_ALL`, `LC_MESSAGES`, `LANG`, then the platform)."""
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(variable):
            return "zh" if value.lower().startswith("zh") else "en"
    return "zh" if (locale.getlocale()[0] or "").lower().startswith(("zh", "chinese")) else "en"
