"""Degree words of survey scales in 15 languages: how strongly, for or against.

A level such as "eher unzufrieden" is a degree ("eher"), a negation ("un-") and a stem
("zufrieden"). Levels form a scale if all have one stem and no two the same position.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# E extremely, S strongly, Q quite, M mildly, L little, Z not at all, N not, Y yes, O middle,
# P prefixes that negate, A pairs of a negative and a positive stem.
_TABLE = """
en E: extremely, completely, totally, fully, absolutely, entirely, to a great extent
en S: strongly, very much, very, definitely, certainly, highly, greatly, a lot, a great deal
en Q: quite a bit, quite, pretty, moderately, mostly, generally, tend to, considerably
en M: somewhat, rather, fairly, slightly, probably, partly, partially, to some extent, mildly
en L: a little, hardly, barely, only a little
en Z: not at all, in no way, none at all, none
en N: not really, not too, not, no
en Y: yes
en O: neither, neutral, undecided, so-so, in between, neither nor, mixed, indifferent
en P: un, dis, in, im, non-
en A: bad good, poor good, against favour, against favor, oppose support, worse better, low high
de E: äußerst, völlig, voll und ganz, vollkommen, vollständig, absolut, voll, total, extrem
de S: sehr, stark, auf jeden fall, bestimmt, ganz, auf alle fälle
de Q: ziemlich, recht, größtenteils, überwiegend, weitgehend
de M: eher, etwas, wahrscheinlich, einigermaßen, teilweise, leicht, vermutlich
de L: wenig, kaum, weniger
de Z: überhaupt nicht, gar nicht, überhaupt kein, auf keinen fall, keinesfalls, gar kein
de N: nicht, nein, kein, keine
de Y: ja
de O: teils teils, teils, weder noch, weder, neutral, mittel, unentschieden, mittelmäßig
de P: un
de A: schlecht gut, dagegen dafür, lehne ab stimme zu, ablehnung zustimmung, niedrig hoch
fr E: tout à fait, totalement, complètement, entièrement, extrêmement, absolument
fr S: très, fortement, certainement, beaucoup, sûrement
fr Q: assez, en grande partie
fr M: plutôt, un peu, probablement, partiellement, en partie, moyennement
fr L: peu, guère, pas vraiment
fr Z: pas du tout, aucunement, certainement pas
fr N: pas, non
fr Y: oui
fr O: ni ni, ni, neutre, sans avis, indifférent
fr P: in, im, mé, dés
fr A: mauvais bon, mauvaise bonne, contre pour, mal bien, faible élevé
es E: totalmente, completamente, extremadamente, absolutamente, del todo
es S: muy, mucho, seguro, definitivamente, sin duda
es Q: bastante
es M: algo, más bien, probablemente, parcialmente, un poco, ligeramente
es L: poco
es Z: nada, en absoluto, para nada, de ningún modo
es N: no, en desacuerdo|de acuerdo
es Y: sí, si
es O: ni ni, ni, neutral, indiferente, regular
es P: in, im, des
es A: malo bueno, mala buena, contra favor, mal bien, bajo alto
it E: completamente, totalmente, del tutto, estremamente, pienamente, assolutamente
it S: molto, fortemente, sicuramente, decisamente, certamente
it Q: abbastanza
it M: piuttosto, un po', probabilmente, in parte, leggermente, parzialmente
it L: poco
it Z: per niente, per nulla, affatto, assolutamente no, niente affatto
it N: non, no, in disaccordo|d'accordo
it Y: sì, si
it O: né né, né, neutrale, indifferente
it P: in, im, s, dis
it A: cattivo buono, cattiva buona, contrario favorevole, male bene, basso alto
pt E: totalmente, completamente, extremamente, plenamente, absolutamente
pt S: muito, fortemente, certamente, com certeza, definitivamente
pt Q: bastante
pt M: um pouco, parcialmente, provavelmente, em parte, ligeiramente, razoavelmente, mais ou menos
pt L: pouco
pt Z: nada, de modo nenhum, de jeito nenhum
pt N: não
pt Y: sim
pt O: nem nem, nem, neutro, indiferente, regular
pt P: in, im, des
pt A: mau bom, má boa, ruim bom, contra favor, discordo concordo, baixo alto, mal bem
nl E: volledig, helemaal, totaal, uiterst, zeer sterk, volkomen
nl S: zeer, heel, erg, sterk, zeker, beslist
nl Q: tamelijk, vrij, behoorlijk, redelijk
nl M: enigszins, eerder, een beetje, waarschijnlijk, gedeeltelijk, deels, nogal
nl L: weinig, nauwelijks
nl Z: helemaal niet, totaal niet, absoluut niet, zeker niet
nl N: niet, nee, geen
nl Y: ja, wel
nl O: noch noch, noch, neutraal, niet mee eens en niet mee oneens
nl P: on
nl A: slecht goed, mee oneens mee eens, oneens eens, tegen voor, laag hoog
sv E: helt, fullständigt, extremt, fullt, oerhört
sv S: mycket, starkt, absolut, definitivt
sv Q: ganska, i stort sett, tämligen
sv M: något, delvis, troligen, till viss del, snarare, nog
sv L: lite, knappast, föga
sv Z: inte alls, absolut inte, ingalunda
sv N: inte, nej, tar avstånd|instämmer
sv Y: ja
sv O: varken eller, varken, neutral
sv P: o, miss
sv A: dålig bra, dåligt bra, mot för, låg hög
da E: helt, fuldstændig, fuldt ud, ekstremt, i meget høj grad
da S: meget, stærkt, bestemt, i høj grad
da Q: ret, temmelig, ganske
da M: delvis, noget, lidt, sandsynligvis, overvejende, i nogen grad
da L: i ringe grad, næppe
da Z: slet ikke, overhovedet ikke, bestemt ikke
da N: ikke, nej
da Y: ja
da O: hverken eller, hverken, neutral
da P: u, mis
da A: dårlig god, dårligt godt, imod for, lav høj
no E: helt, fullstendig, fullt ut, ekstremt, i svært stor grad
no S: svært, veldig, meget, sterkt, absolutt, i stor grad
no Q: ganske, nokså
no M: delvis, litt, noe, sannsynligvis, i noen grad
no L: i liten grad, lite, neppe
no Z: ikke i det hele tatt, slett ikke, overhodet ikke, absolutt ikke
no N: ikke, nei
no Y: ja
no O: verken eller, verken, hverken eller, hverken, nøytral
no P: u, mis
no A: dårlig god, dårlig bra, mot for, lav høy
fi E: täysin, erittäin, ehdottomasti, äärimmäisen
fi S: hyvin, vahvasti, varmasti
fi Q: melko, varsin
fi M: jokseenkin, osittain, hieman, jonkin verran, todennäköisesti
fi L: vain vähän, vähän
fi Z: ei lainkaan, ei ollenkaan, ehdottomasti ei
fi N: ei, en
fi Y: kyllä
fi O: ei eikä, neutraali, siltä väliltä, en samaa enkä eri mieltä
fi P: epä
fi A: huono hyvä, tyytymätön tyytyväinen, eri mieltä samaa mieltä, vastaan puolesta
pl E: całkowicie, zupełnie, w pełni, skrajnie, w zupełności
pl S: zdecydowanie, bardzo, na pewno, silnie
pl Q: dość, dosyć, w dużym stopniu
pl M: raczej, trochę, prawdopodobnie, częściowo, nieco, w pewnym stopniu
pl L: mało, niezbyt, słabo
pl Z: wcale nie, w ogóle nie, wcale, na pewno nie
pl N: nie
pl Y: tak
pl O: ani ani, ani, neutralny, trudno powiedzieć, ani tak ani nie
pl P: nie
pl A: zły dobry, zła dobra, źle dobrze, przeciw za, niski wysoki
cs E: zcela, úplně, naprosto, plně
cs S: rozhodně, velmi, určitě, silně
cs Q: docela, poměrně, celkem
cs M: spíše, trochu, částečně, pravděpodobně, spíš
cs L: málo, příliš ne
cs Z: vůbec ne, vůbec, rozhodně ne, určitě ne
cs N: ne
cs Y: ano
cs O: ani ani, ani, neutrální, tak napůl
cs P: ne
cs A: špatný dobrý, špatná dobrá, špatně dobře, proti pro, nízký vysoký
hu E: teljes mértékben, teljesen, maximálisan, rendkívül, abszolút
hu S: nagyon, határozottan, biztosan, erősen
hu Q: eléggé, meglehetősen
hu M: inkább, valamennyire, részben, valószínűleg, kissé
hu L: kevéssé, alig
hu Z: egyáltalán nem, egyáltalán, biztosan nem
hu N: nem
hu Y: igen
hu O: is is, semleges, közepesen, közepes
hu P:
hu A: rossz jó, elégedetlen elégedett, ellenzi támogatja, nem értek egyet egyetértek
tr E: tamamen, kesinlikle, son derece
tr S: çok, kuvvetle
tr Q: oldukça
tr M: biraz, kısmen, muhtemelen
tr L: az, pek
tr Z: hiç, asla
tr N: değil, hayır, değilim
tr Y: evet
tr O: ne ne, ne, kararsızım, nötr, orta
tr P:
tr A: kötü iyi, katılmıyorum katılıyorum, düşük yüksek
"""
_PLACES = {"E": 3.5, "S": 3.0, "Q": 1.4, "M": 1.0}
_LITTLE, _NOT_AT_ALL, _PLAIN = -0.8, -4.0, 2.0
_SOFTENED = 0.5
"""Place of "not very": a weaker "no" than "not"."""


@dataclass(frozen=True)
class _Language:
    phrases: tuple[tuple[re.Pattern[str], str], ...]
    middles: frozenset[str]
    either: re.Pattern[str] | None
    prefixes: tuple[str, ...]
    negatives: dict[str, str]


def order_by_degree(levels: Sequence[str]) -> list[float] | None:
    """Return the position of each level on a scale of degrees, or None if they form none.

    Args:
        levels: lower-case words with single spaces, no two alike.
    """
    plain = [_simple(level) for level in levels]
    for language in _LANGUAGES:
        found = [_place(level, language) for level in plain]
        if positions := _one_scale(found, language):
            return positions
    return None


def _simple(level: str) -> str:
    bare = re.sub(r"\((?:e|s|a|in|in\)nen)\)|/a\b|[.,;:!?()\"„“]", "", level.replace("’", "'"))
    return " ".join(bare.replace("/", " ").replace(" - ", " ").split())


def _place(level: str, language: _Language) -> tuple[float, str, bool]:
    """Return position, stem, and whether there is a degree or a negation."""
    if level in language.middles or (language.either and language.either.search(level)):
        return 0.0, "", True
    rest = level
    marks: list[tuple[int, str]] = []
    for pattern, mark in language.phrases:
        while found := pattern.search(rest):
            marks.append((found.start(), mark))
            rest = rest[: found.start()] + "\x00" * len(found[0]) + rest[found.end() :]
    stem = " ".join(rest.replace("\x00", " ").split())
    order = [mark for _, mark in sorted(marks)]
    negative = order.count("N") % 2 == 1
    for bad, good in language.negatives.items():
        if stem == bad:
            stem, negative = good, not negative
            order.append("A")
    degree = next((mark for mark in order if mark in _PLACES), None)
    if order.count("N") > 1 and "Z" not in order:  # "not satisfied, not dissatisfied"
        return 0.0, "", True
    if "Z" in order:
        return _NOT_AT_ALL, stem, True
    if "L" in order:
        return _LITTLE if not negative else -_PLAIN, stem, True
    size = _PLACES.get(degree or "", _PLAIN)
    if negative and degree in ("E", "S", "Q") and "N" in order:
        before = order.index("N") < order.index(degree)
        size = _SOFTENED if before else size
    return (-size if negative else size), stem, bool(order)


def _one_scale(found: Sequence[tuple[float, str, bool]], language: _Language) -> list[float] | None:
    """Return the positions if all levels have one stem, at most one is plain, none are alike."""
    stems = [stem for _, stem, _ in found if stem]
    base = min(stems, key=len) if stems else ""
    positions = []
    for place, stem, _ in found:
        if stem and not _same(stem, base):
            prefixes = (p for p in language.prefixes if _same(stem.removeprefix(p), base))
            prefix = next(prefixes, None)
            if prefix is None or not stem.startswith(prefix):
                return None
            place = -place
        positions.append(place)
    degrees = sum(place not in (_PLAIN, -_PLAIN, 0.0) for place in positions)
    unmarked = sum(not marked and bool(stem) for _, stem, marked in found if _same(stem, base))
    if sum(bool(stem) for stem in stems) == 1 and unmarked:  # a word that is no degree of another
        return None
    good = len(set(positions)) == len(positions) and degrees >= 2 and unmarked <= 1
    return positions if good else None


def _same(stem: str, base: str) -> bool:
    """Return whether two stems differ in their endings only."""
    if stem == base:
        return True
    shared = 0
    while shared < min(len(stem), len(base)) and stem[shared] == base[shared]:
        shared += 1
    return shared >= 4 and max(len(stem), len(base)) - shared <= 3


def _languages() -> list[_Language]:
    lines: dict[str, dict[str, list[str]]] = {}
    for line in _TABLE.strip().splitlines():
        head, _, words = line.partition(":")
        code, mark = head.split()
        lines.setdefault(code, {})[mark] = [w.strip() for w in words.split(",") if w.strip()]
    result = []
    for table in lines.values():
        phrases = [
            (phrase, mark) for mark in "ESQMLZNY" for phrase in table[mark] if "|" not in phrase
        ]
        phrases.sort(key=lambda pair: -len(pair[0]))
        pairs = {}
        for pair in table["A"]:
            both = pair.split()
            half = len(both) // 2
            pairs[" ".join(both[:half])] = " ".join(both[half:])
        for phrase in table["N"]:
            if "|" in phrase:
                negative, _, positive = phrase.partition("|")
                pairs[negative] = positive
        doubled = [m.split() for m in table["O"] if len(m.split()) == 2]
        twice = next((first for first, second in doubled if first == second), None)
        either = [m for m in ("neither", "weder", "varken", "hverken", "verken") if m in table["O"]]
        pattern = [rf"^{word}\b" for word in either]
        if "nem nem" in table["O"]:
            pattern.append(r"^não\b.*\bnem\b")
        if twice:
            pattern.append(rf"^{twice}\b.*\b{twice}\b")
        result.append(
            _Language(
                phrases=tuple(
                    (re.compile(rf"(?<![\w'-]){re.escape(phrase)}(?![\w-])"), mark)
                    for phrase, mark in phrases
                ),
                middles=frozenset(table["O"]),
                either=re.compile("|".join(pattern)) if pattern else None,
                prefixes=tuple(sorted(table["P"], key=len, reverse=True)),
                negatives=pairs,
            )
        )
    return result


_LANGUAGES = _languages()
