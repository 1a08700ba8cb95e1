"""Scales by degree words, bands and lists of words in many languages; special answers in scales."""

from __future__ import annotations

import pyarrow as pa
import pytest

from simulacra_intake.columns.parse.scales import order_levels
from simulacra_intake.raw_table import ORIGIN
from simulacra_schema.table import ColumnSchema
from simulacra_trainer.cleaning.clean import clean_table

SCALES = """
strongly disagree | somewhat disagree | neither agree nor disagree | somewhat agree | strongly agree
not at all useful | slightly useful | moderately useful | very useful | extremely useful
definitely not | probably not | probably | definitely
not satisfied | not very satisfied | satisfied | very satisfied
sehr unsicher | eher unsicher | teils/teils | eher sicher | sehr sicher
trifft überhaupt nicht zu | trifft eher nicht zu | trifft eher zu | trifft voll und ganz zu
gar nicht wichtig | weniger wichtig | wichtig | sehr wichtig
pas du tout d’accord | plutôt pas d’accord | plutôt d’accord | tout à fait d’accord
très insatisfait | plutôt insatisfait | ni satisfait ni insatisfait | très satisfait
none | a little | a lot
nada útil | poco útil | bastante útil | muy útil
muy en desacuerdo | en desacuerdo | ni de acuerdo ni en desacuerdo | de acuerdo | muy de acuerdo
per niente utile | poco utile | abbastanza utile | molto utile
molto insoddisfatto | abbastanza insoddisfatto | abbastanza soddisfatto | molto soddisfatto
discordo totalmente | discordo | nem concordo nem discordo | concordo | concordo totalmente
muito insatisfeito | insatisfeito | neutro | satisfeito | muito satisfeito
helemaal mee oneens | mee oneens | neutraal | mee eens | helemaal mee eens
zeer ontevreden | ontevreden | niet tevreden, niet ontevreden | tevreden | zeer tevreden
mycket osäker | osäker | varken säker eller osäker | säker | mycket säker
meget utilfreds | utilfreds | hverken eller | tilfreds | meget tilfreds
helt uenig | delvis uenig | verken enig eller uenig | delvis enig | helt enig
täysin eri mieltä | jokseenkin eri mieltä | jokseenkin samaa mieltä | täysin samaa mieltä
bardzo niezadowolona | raczej niezadowolona | raczej zadowolona | bardzo zadowolona
zdecydowanie się nie zgadzam | raczej się nie zgadzam | raczej się zgadzam
rozhodně nesouhlasím | spíše nesouhlasím | spíše souhlasím | rozhodně souhlasím
nagyon elégedetlen | elégedetlen | közepesen | elégedett | nagyon elégedett
kesinlikle katılmıyorum | katılmıyorum | kararsızım | katılıyorum | kesinlikle katılıyorum
Mucho peor | Peor | Igual | Mejor | Mucho mejor
much worse | worse | about the same | better | much better
viel schlechter | etwas schlechter | gleich geblieben | etwas besser | viel besser
полностью не согласен | скорее не согласен | скорее согласен | полностью согласен
nunca | casi nunca | una vez al mes | todos los días
çok kötü | kötü | orta | İyi | çok iyi
instämmer inte alls | instämmer i liten grad | instämmer delvis | instämmer i hög grad
výborně | chvalitebně | dobře | dostatečně | nedostatečně
Detractor | Passive | Promoter
jamais | moins souvent | une à deux fois par mois | tous les jours ou presque
bis 17 Jahre | 18 bis 29 Jahre | 30 bis 49 Jahre | 50 Jahre und älter
moins de 18 ans | 18 à 24 ans | 25 à 64 ans | 65 ans et plus
do 1 000 zł | 1 000 - 2 000 zł | 2 000 - 5 000 zł | 5 000 zł i więcej
nooit | zelden | soms | vaak | altijd
mai | raramente | qualche volta | spesso | sempre
nunca | às vezes | sempre
soha | ritkán | néha | gyakran | mindig
Montag | Dienstag | Mittwoch | Donnerstag
février | mars | août | décembre
stycznia | lutego | maja
niedrig | mittel | hoch
egyáltalán nem elégedett | inkább nem elégedett | közepesen elégedett | teljesen elégedett
com certeza não compraria | provavelmente não compraria | talvez comprasse | provavelmente compraria
διαφωνώ απόλυτα | διαφωνώ | ούτε συμφωνώ ούτε διαφωνώ | συμφωνώ | συμφωνώ απόλυτα
لا أوافق بشدة | لا أوافق | محايد | أوافق | أوافق بشدة
매우 불만족 | 불만족 | 보통 | 만족 | 매우 만족
とても不満 | やや不満 | どちらともいえない | やや満足 | とても満足
never | less than once a year | 2-3 times a year | once a month | several times a month | daily
nie | seltener als einmal im Jahr | alle 2-3 Monate | 1-3 mal im Monat | mehrmals pro Woche
jamais | moins d'une fois par mois | une fois par mois | deux fois par semaine | tous les jours
nunca | menos de una vez al mes | 2 o 3 veces al mes | una vez a la semana | todos los días
wcale | rzadziej niż raz w roku | kilka razy w roku | raz w tygodniu lub częściej
less than 1 month | 1-6 months | 6-12 months | 1-2 years | more than 2 years
less than 6 months | 6 months to 1 year | 1-3 years | more than 3 years
7 Tage | 14 Tage | 1 Monat | 1 Jahr
last week | 1-3 months ago | 1-2 years ago | never
every day | 2-3 days a week | 1 day a month | never
yesterday | within the past week | within the past 3 months | more than a year ago | never
in den letzten 7 Tagen | in den letzten 4 Wochen | vor mehr als einem Jahr | noch nie
έως 800 € | 801–1.500 € | 1.501–2.500 € | άνω των 2.500 €
10대 | 20대 | 30대 | 40대 | 50대 이상
20s | 30s | 40s
not familiar at all | slightly familiar | somewhat familiar | very familiar
definitely would not buy | probably would not buy | might or might not buy | probably would buy
far too expensive | a bit too expensive | about right | a bit too cheap | far too cheap
low risk | medium risk | high risk
keine | 1 bis 2 | 3 bis 5 | mehr als 5
falsch | eher falsch | eher richtig | richtig
niet zo belangrijk | belangrijk | heel belangrijk
deloc mulțumit | puțin mulțumit | destul de mulțumit | foarte mulțumit
veľmi nespokojný | skôr nespokojný | skôr spokojný | veľmi spokojný
"""


@pytest.mark.parametrize("scale", SCALES.strip().splitlines())
def test_a_scale_is_put_in_order_from_any_order_of_its_levels(scale: str) -> None:
    levels = [level.strip() for level in scale.split("|")]
    shuffled = levels[1::2] + levels[::2]
    assert order_levels(shuffled) in (levels, levels[::-1])


@pytest.mark.parametrize(
    "levels",
    [
        ["red", "green", "blue"],
        ["very", "nice", "weather"],
        ["urban", "rural", "suburban"],
        ["employed", "self-employed", "retired", "unemployed"],
        ["male", "female", "non-binary"],
        ["not on leave", "on leave", "retired"],
        ["high street", "low street", "street"],
        ["CDU/CSU", "SPD", "Grüne"],
        ["sehr zufrieden", "sehr sicher", "eher sicher"],
        ["route 18 to 20", "route 19 to 25", "route 7"],
        ["Haus 3", "Haus 5", "Haus 9"],
        ["A12-34", "A56-78", "A79-91"],
        ["120354-1234", "010275-4321", "311299-0021"],
        ["a little", "a lot", "purple"],
        ["no parking", "1 to 2 spaces", "garage"],
        ["red wine", "white wine", "rosé wine"],
        ["small business", "medium business", "bakery business"],
        ["mixed media", "print media", "social media"],
        ["daily newspaper", "weekly magazine", "monthly journal"],
        ["day shift", "night shift", "weekend"],
        ["3 days", "1 week", "green"],
        ["every day", "weekend", "never"],
        ["10s", "20er", "30s"],
    ],
)
def test_words_that_are_no_scale_stay_in_no_order(levels: list[str]) -> None:
    assert order_levels(levels) is None


def cleaned(cells: list[str]) -> ColumnSchema:
    table = pa.table({"c": cells, "o": ["p", "q"] * (len(cells) // 2)})
    return clean_table(table.replace_schema_metadata({ORIGIN: b"csv"})).schema.columns[0]


def test_special_answers_stand_behind_the_levels_of_a_scale() -> None:
    levels = ["eher nein", "eher ja", "ja, sehr", "weiß nicht", "k.A."]
    column = cleaned(levels * 10 + ["weiß nicht"] * 10)
    assert column.kind == "ordinal"
    assert column.level_values()[:3] == levels[:3]
    assert [level.value for level in column.levels if level.special] == ["weiß nicht", "k.A."]


@pytest.mark.parametrize(
    "refusal",
    [
        "ΔΞ/ΔΑ",
        "모름",
        "Prefiro não informar",
        "I prefer not to disclose",
        "ne souhaite pas préciser",
        "vill ej ange",
        "Não sabe / Não responde",
        "Wolałabym nie ujawniać",
        "nie chcę mówić",
    ],
)
def test_refusals_are_special_however_they_are_put(refusal: str) -> None:
    column = cleaned(["eher nein", "eher ja", "ja, sehr", refusal, "prefer not to drive"] * 10)
    assert column.kind == "categorical"
    column = cleaned(["eher nein", "eher ja", "ja, sehr", refusal] * 10)
    assert column.level_values() == ["eher nein", "eher ja", "ja, sehr", refusal]
    assert [level.special for level in column.levels] == [False, False, False, True]


def test_special_answers_stay_levels_of_a_category() -> None:
    column = cleaned(["red", "green", "Refused", "blue"] * 10)
    assert column.kind == "categorical"
    assert "Refused" in column.level_values()
    assert not any(level.special for level in column.levels)


@pytest.mark.parametrize("pair", ["nej ja", "nie tak", "no sí", "não sim", "nem igen", "нет да"])
def test_yes_and_no_are_known_in_many_languages(pair: str) -> None:
    no, yes = pair.split()
    column = cleaned([yes, no, no.title(), yes] * 10)
    assert (column.kind, [value.lower() for value in column.level_values()]) == (
        "boolean",
        [no, yes],
    )
