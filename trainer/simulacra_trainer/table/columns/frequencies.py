"""How often and how long ago, in 17 languages: levels such as "2-3 times a month", "seltener als
einmal im Jahr", "within the past week" or "longer ago" in order.

A level is a unit of time, a number of times or of units, and words such as "less than". All levels
of a column must be read, and no two may have the same place.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_UNITS: tuple[tuple[float, str], ...] = (
    (1, r"hours?|hourly|stunden?|stündlich|heures?|horas?|or[ae]|uur|timm?e?n?|tunti|godzin\w*"),
    (
        24,
        r"days?|daily|everyday|tage?n?|täglich|jours?|quotidien\w*|días?|diari\w+|giorn[oi]|dias?"
        r"|dag\w{0,3}|dagelijks|dagligen|päiv\w+|dni\w?|dzień|dziennie|codziennie|dny|dní|den|denně"
        r"|nap|napon\w+|napja|naponta|gün\w*|день|дн[яей]\w*|ежедневно|μέρ\w+|ημέρ\w+|καθημερινά"
        r"|zi|zile|zilnic",
    ),
    (
        24 * 7,
        r"weeks?|weekly|wochen?|wöchentlich|semaines?|hebdomadaire\w*|semanas?|semanal\w*"
        r"|settiman\w+|we?ek\w{0,3}|wekelijks|veck\w+|uger?|ugentlig\w*|uken?|uker|ukentlig"
        r"|viik\w+|tygod\w+|tydzień|týd\w+|hét|héten|hetente|hete\w*|hafta\w*|недел\w+"
        r"|еженедельно|εβδομάδ\w+|săptămân\w+",
    ),
    (
        24 * 30.4,
        r"months?|monthly|monate?n?|monatlich|im monat|mois|mensuel\w*|mes|meses|mensual\w*|mes[ei]"
        r"|mensil\w+|mês|mensal\w*|maand\w*|månad\w*|måneder|måneden?|månedlig\w*"
        r"|kuukau\w+|miesiąc\w*|miesięcznie|miesięcy|měsíc\w*|hónap\w*|havonta|ay|aylık|ayda|месяц\w*"
        r"|ежемесячно|μήνα?\w*|lun[ăai]|luni|lunar",
    ),
    (
        24 * 91.3,
        r"quarters?|quarterly|quartale?n?|trimestr\w+|kwarta\w+|kvarta\w+|neljännes\w*|negyedév\w*"
        r"|квартал\w*",
    ),
    (
        24 * 365.25,
        r"years?|yearly|annually|annual|jahre?n?s?|jährlich|ans?|année\w*|annuel\w*|años?|anual\w*"
        r"|ann[oi]|anos?|jaar|jaren|jaarlijks|år\w*|årligen|vuo\w+|roku|rok|lata|lat|rocznie"
        r"|let|ročně|év\w*|évente|yıl\w*|год\w*|лет|ежегодно|χρόν\w+|έτη|έτος|an|ani|anual",
    ),
)
_NEVER = (
    "never|not at all|nie|niemals|gar nicht|noch nie|jamais|nunca|jamás|mai|nooit|aldrig|aldri"
    "|en koskaan|ei koskaan|nigdy|wcale|nikdy|vůbec|soha|egyáltalán nem|hiç|hiçbir zaman|asla"
    "|никогда|ποτέ|niciodată|never bought|never used"
)
_RARELY = (
    "less often|less frequently|rarely|seldom|hardly ever|almost never|seltener|selten|fast nie"
    "|moins souvent|rarement|presque jamais|menos a menudo|con menos frecuencia|rara vez|casi nunca"
    "|più raramente|raramente|meno spesso|quasi mai|menos frequentemente|quase nunca"
    "|com menos frequência|minder vaak|zelden|mer sällan|sällan|sjeldnere|sjældnere|sjælden|sjelden"
    "|harvemmin|rzadziej|rzadko|méně často|zřídka|ritkábban|ritkán|daha az|daha seyrek|nadiren"
    "|реже|редко|σπάνια|σπανιότερα|mai rar|rar"
)
_LONGER = (
    "longer ago|longer|more than that|länger her|länger|vor längerer zeit|plus longtemps"
    r"|il y a plus longtemps|hace más(?: tiempo)?|più tempo fa|há mais tempo|langer geleden|längre"
    "|längre sedan|længere siden|lenger siden|aiemmin|kauemmin|dawniej|wcześniej|dříve|régebben"
    "|daha önce|раньше|давно|παλαιότερα|mai demult"
)
_TODAY = {
    "today": 0.2, "yesterday": 1.2, "heute": 0.2, "gestern": 1.2, "aujourd'hui": 0.2, "hier": 1.2,
    "hoy": 0.2, "ayer": 1.2, "oggi": 0.2, "ieri": 1.2, "hoje": 0.2, "ontem": 1.2, "vandaag": 0.2,
    "gisteren": 1.2, "idag": 0.2, "i dag": 0.2, "igår": 1.2, "i går": 1.2, "dzisiaj": 0.2,
    "wczoraj": 1.2, "dnes": 0.2, "včera": 1.2, "ma": 0.2, "tegnap": 1.2,
}  # fmt: skip
_SEVERAL = (
    "several|multiple|a few|few|many|mehrmals|mehrere|ein paar|einige|plusieurs|quelques|varias"
    "|algunas|más|più|alcune|qualche|várias|algumas|enkele|meerdere|paar|flera|några|flere|nogle|noen"
    "|useita|muutaman|useamman|kilka|parę|několik\\w*|többször|néhány\\w*|birkaç|несколько|μερικές"
    "|αρκετές|de câteva|câteva|mai multe"
)
_NUMBERS = {
    1: "once|one|einmal|ein|eine\\w?|une|una|uma|un|uno|één|eens|en gång|en gang|kerran|raz|jednou"
    "|egyszer|bir|один|раз|μία|o dată",
    2: "twice|two|zweimal|zwei|deux|dos|due|duas|dois|twee|två|to|kaksi|kahdesti|dwa|dwie|dvakrát"
    "|dva|kétszer|két|iki|два|δύο|două|biweekly|fortnight",
    3: "three|dreimal|drei|trois|tres|tre|três|drie|kolme|trzy|třikrát|tři|háromszor|három|üç|три",
}
_LESS = (
    "less than|fewer than|less|seltener als|seltener|weniger als|moins de|moins d'une?|moins qu\\w*"
    "|menos de|menos que|meno di|minder dan|mindre än|mindre enn|mindre end|sjeldnere enn"
    "|harvemmin kuin|rzadziej niż|mniej niż|méně než|ritkábban mint|kevesebb mint|реже|менее"
    "|λιγότερο από|mai puțin de|mai rar de|mer sällan än|sjældnere end"
)
_MORE = (
    "more than|over|or more|more often|at least|öfter als|mehr als|mindestens"
    "|oder öfter|oder häufiger|länger als|plus de|plus d'une?|au moins|ou plus|más de|al menos"
    "|o más|più di|almeno|o più|mais de|pelo menos|ou mais|meer dan|minstens|of vaker|mer än"
    "|minst|mer enn|mere end|eller oftere|eller oftare|vähintään|yli|więcej niż|ponad"
    "|lub częściej|co najmniej"
    "|více než|alespoň|nebo častěji|vagy gyakrabban|legalább|több mint|ya da daha fazla|чаще"
    "|более|или чаще|πάνω από|mai mult de|cel puțin"
)
_EVERY = "every|alle|tous les|toutes les|cada|ogni|a cada|om de|elke|var|hver|joka|co|každ\\w+|her"
_AGO = (
    r"ago|past|last|within|previous|vor|letzt\w*|vergangen\w*|innerhalb|il y a|derni\w+|cours des?"
    r"|hace|últim\w+|ultim\w+|scors\w+|fa|há|passad\w+|geleden|afgelopen|laatste|senast\w*|sedan"
    r"|siden|siste|sidste|sitten|viime\w*|ostatni\w*|temu|posledn\w+|před|elmúlt|ezelőtt|önce|son"
    r"|назад|последн\w+|прошл\w+|πριν|τελευταί\w+|acum|în urmă"
)
_WORDS = {
    "never": _NEVER, "rarely": _RARELY, "longer": _LONGER, "several": _SEVERAL, "less": _LESS,
    "more": _MORE, "every": _EVERY, "ago": _AGO,
}  # fmt: skip
_FIND = {key: re.compile(rf"(?<!\w)(?:{words})(?!\w)") for key, words in _WORDS.items()}
_WHOLE = {key: re.compile(_WORDS[key]) for key in ("never", "rarely", "longer")}
_UNIT = [(hours, re.compile(rf"(?<!\w)(?:{words})(?!\w)")) for hours, words in _UNITS]
_COUNT = [(n, re.compile(rf"(?<!\w)(?:{words})(?!\w)")) for n, words in _NUMBERS.items()]
_READ = (*_FIND.values(), *(words for _, words in (*_UNIT, *_COUNT)), re.compile(r"[\d'’.,]"))
_FILLERS = frozenset(
    """
    almost nearly around between approximately presque environ zwischen ungefähr höchstens
    aproximadamente ongeveer tussen mellan mellem między prawie około téměř między maximaal
    """.split()  # noqa: SIM905
)
_LONG_WORD = 6
"""Letters from which on a word must be one of these, or one of several levels."""
_RANGE = re.compile(
    r"(\d{1,3})(?:\s*(?:-|–|—|to|bis|à|a|o|or|oder|ou|do|tot|till|til)\s*(\d{1,3}))?"
)
_ALWAYS = 1e6
_LEAST_UNITS = 2
"""Levels that name a unit of time; three of the others may say "never" and the like."""
Place = float | None


def order_by_time(levels: Sequence[str]) -> list[Place]:
    """Return the place of each level among frequencies, or among times ago; None if it has none.

    Args:
        levels: lower-case words with single spaces, no two alike.
    """
    ago = sum(_FIND["ago"].search(level) is not None for level in levels) >= _LEAST_UNITS
    with_unit = sum(_unit(level) is not None for level in levels)
    if with_unit < max(_LEAST_UNITS, len(levels) - 3):
        return [None] * len(levels)
    if _strange(levels):
        return [None] * len(levels)
    return [_since(level) if ago else _rate(level) for level in levels]


def _strange(levels: Sequence[str]) -> bool:
    """Return whether a level has a word of its own: "daily newspaper", "weekly magazine"."""
    found: Counter[str] = Counter()
    for level in levels:
        if level not in _TODAY and not any(words.fullmatch(level) for words in _WHOLE.values()):
            rest = level
            for words in _READ:
                rest = words.sub(" ", rest)
            found.update({word for word in rest.split() if len(word) >= _LONG_WORD})
    return any(rows == 1 and word not in _FILLERS for word, rows in found.items())


def _rate(level: str) -> Place:
    """Return occasions in 1,000 hours."""
    if _WHOLE["never"].fullmatch(level):
        return 0.0
    if _WHOLE["rarely"].fullmatch(level):
        return 1e-6
    unit = _unit(level)
    if unit is None:
        return None
    count = _count(level)
    rate = 1000 / (unit * count) if _FIND["every"].search(level) else 1000 * count / unit
    return rate * _shift(level)


def _since(level: str) -> Place:
    """Return hours."""
    if level in _TODAY:
        return 24 * _TODAY[level]
    if _WHOLE["never"].fullmatch(level):
        return 2 * _ALWAYS * 1e3
    if _WHOLE["longer"].fullmatch(level):
        return _ALWAYS * 1e3
    unit = _unit(level)
    return None if unit is None else unit * _count(level) * _shift(level)


def _unit(level: str) -> float | None:
    found = [hours for hours, words in _UNIT if words.search(level)]
    return max(found) if found else None


def _count(level: str) -> float:
    if number := _RANGE.search(level):
        return (float(number[1]) + float(number[2] or number[1])) / 2
    if _FIND["several"].search(level):
        return 3.1
    return next((float(n) for n, words in reversed(_COUNT) if words.search(level)), 1.0)


def _shift(level: str) -> float:
    """Return a factor that puts "less than" below and "more than" above the same number."""
    if _FIND["less"].search(level):
        return 0.8
    return 1.2 if _FIND["more"].search(level) else 1.0
