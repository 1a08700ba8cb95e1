"""Words of languages: every file is read, and whole."""

from pathlib import Path

import pytest

from simulacra_schema import lexicon

FILES = Path(lexicon.__file__).parent / "words"
SECTIONS = {
    "approximately",
    "months",
    "weekdays",
    "seasons",
    "scales",
    "degrees",
    "booleans",
    "no_answer",
    "order",
    "prices",
    "times",
    "waves",
}


def test_every_file_is_a_language_that_is_tried() -> None:
    assert {path.stem for path in FILES.glob("*.toml")} == set(lexicon.LANGUAGES)


def test_sections_are_those_that_are_read() -> None:
    assert {key for one in lexicon.LANGUAGES for key in lexicon.words_of(one)} == SECTIONS


@pytest.mark.parametrize("language", lexicon.calendar_languages())
@pytest.mark.parametrize("length", ["long", "short"])
def test_calendar_has_twelve_months_and_seven_days(language: str, length: str) -> None:
    months = lexicon.calendar_names("months", language, length)
    days = lexicon.calendar_names("weekdays", language, length)
    assert (len(months), len(set(days))) == (12, 7)


@pytest.mark.parametrize("section", ["scales", "seasons", "booleans"])
def test_no_spelling_stands_for_two_levels(section: str) -> None:
    for language, scales in lexicon.in_languages(section):
        for scale in scales:
            spelled = [word for level in scale for word in lexicon.words_in(level)]
            assert len(set(spelled)) == len(spelled), (language, scale)
            assert "" not in spelled, (language, scale)


def test_language_without_a_file_is_refused() -> None:
    with pytest.raises(KeyError):
        lexicon.words_of("../pyproject")
