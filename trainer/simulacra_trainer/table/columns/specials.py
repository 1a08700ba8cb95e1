"""Special answers: words such as "Refused" and codes such as 99, which are no quantities."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_schema.table import SpecialValue

MOST_SHARE = 0.35
"""Share of the rows that special codes stay below."""
MOST_OTHER_WORDS = 3
_LEAST_ROWS, _LEAST_SHARE = 3, 0.005
_ENDS = 20
_RUN = 5
"""Negative values right below 0 that are values: -5 to -1."""
_DENSE = 0.8
"""Share of a run from -1 down that occurs; codes such as -1, -2, -8 and -9 leave a gap."""
_CONTINUOUS = 15
"""Distinct values from which on negative ones beside 0 are values, not codes."""

_WORDS = """
refused; refusal; declined; ref; no response; non-response; nonresponse; rather not answer;
decline to answer; declined to answer; decline to state; don't want to answer; no idea;
can't remember; don't remember; unable to say; d/k; n/r; not known; does not apply;
keine meinung; kann mich nicht erinnern; will nicht sagen; weiss ich nicht; w. n.; t.n.z.;
nicht bekannt; nicht erhoben; sans objet; ne souhaite pas répondre; je ne sais pas;
refus de répondre; pas de réponse; nspp; nsp/nr; no recuerda; prefiere no contestar;
prefiero no contestar; prefiero no decirlo; no lo sé; no procede; rechaza contestar;
non ricordo; preferisco non dirlo; rifiuta; rifiuto; non indicato; nessuna opinione;
recusa; recusou; sem resposta; sem opinião; prefere não responder; não quis responder;
wil ik niet zeggen; wil niet antwoorden; zeg ik liever niet; weigering; onbekend antwoord;
vill ej uppge; vill inte uppge; kan ej svara; ingen åsikt; ej tillämpligt; uppgift saknas;
ved ej; vil ikke svare; vil ikke oplyse; ingen mening; husker ikke;
vil ikke oppgi; ikke aktuelt; en tiedä; ei osaa sanoa; en muista; ei koske minua; ei mielipidettä;
nie pamiętam; brak danych; wolę nie odpowiadać; nie chcę odpowiadać; brak opinii;
nechci odpovědět; nechce odpovědět; nedokážu posoudit; netýká se;
nem kíván válaszolni; nem akar válaszolni; nu se aplică; refuz; nu doresc să răspund;
bilmiyor; yanıt yok; reddetti; отказался отвечать; не применимо; δεν ξέρω; δ/α;
refused to answer; prefer not to say; prefer not to answer; rather not say; no answer;
not answered; don't know; dont know; do not know; dk; dk/na; dk/ref; rf; not sure; unsure;
can't say; cannot say; can't choose; no opinion; not applicable; not asked; not stated; skipped;
weiß nicht; weiss nicht; k.a.; k. a.; k.a; keine angabe; keine angaben; verweigert; w.n.;
weiß ich nicht; kann ich nicht sagen; möchte ich nicht sagen; trifft nicht auf mich zu; entfällt;
nicht zutreffend; keine antwort; nsp; ne sait pas; ne se prononce pas; sans réponse; sans opinion;
refus; non réponse; ne sais pas; nr; non concerné; ns/nc; ns; nc; no sabe; no contesta; no sé;
no sabe/no contesta; no responde; no aplica; non so; non sa; non risponde;
preferisco non rispondere; nessuna risposta; não sabe; não sei; não responde; ns/nr; não se aplica;
prefiro não responder;
weet niet; weet ik niet; geen antwoord; geen mening; w.n; wil niet zeggen; n.v.t.; nvt;
weigert; vet ej; vet inte; vill ej svara; ej svar; inget svar; vill inte svara; ej aktuellt;
ved ikke; ønsker ikke at svare; uoplyst; vet ikke; ikke svart; ønsker ikke å svare; ubesvart;
en osaa sanoa; eos; ei vastausta; en halua vastata; nie wiem; trudno powiedzieć; odmowa; b.d.;
brak odpowiedzi; odmowa odpowiedzi; nie dotyczy; nevím; neví; bez odpovědi; odmítl; neuvedeno;
nem tudja; nem tudom; nt/nv; nem válaszolt; nincs válasz; nu știu; nu stiu; nu răspund; nr/nș;
bilmiyorum; cevap yok; cevap vermek istemiyorum; fikrim yok; не знаю; затрудняюсь ответить;
нет ответа; отказ; δεν γνωρίζω; δεν απαντώ; δγ/δα; δξ/δα; δξ; δεν ξέρω/δεν απαντώ; δεν θυμάμαι;
важко відповісти; відмова; לא יודע; לא יודעת; לא רלוונטי; لا أعرف; لا ينطبق; أفضل عدم الإجابة;
모름; 모르겠음; 모르겠다; 잘 모르겠다; 무응답; 응답 거부; 해당 없음; わからない; 分からない; 無回答;
答えたくない; 該当なし; 不知道; 不清楚; 拒绝回答; 不适用
"""
SPECIAL_WORDS = frozenset(word.strip() for word in _WORDS.replace("\n", " ").split(";"))
_DOTTED = frozenset(word.replace(".", "").replace(" ", "") for word in SPECIAL_WORDS)
"""Without points and spaces: "N. S. / N. C." is "ns/nc"."""
_REFUSALS = "|".join(
    rf"(?:{start}) (?:{verbs})"
    for start, verbs in (
        (
            r"(?:i )?(?:would )?(?:prefer not to|(?:do not|don't) (?:want|wish) to|rather not|"
            r"declined? to|refused? to|unwilling to)",
            "say|answer|disclose|state|tell|respond|reply|share|specify|comment|provide",
        ),
        (
            r"(?:(?:das )?(?:möchte|mochte|will) (?:ich )?(?:das )?(?:lieber )?nicht|lieber nicht)",
            "sagen|angeben|beantworten|antworten|mitteilen",
        ),
        (
            r"(?:je )?(?:ne (?:souhaite|veux|désire) pas|préfère ne pas)",
            "répondre|le dire|dire|préciser|communiquer|divulguer|indiquer|me prononcer|"
            "se prononcer",
        ),
        (
            "(?:prefier[oe]|quiere|quiero|desea|deseo) no|no (?:quier[oe]|dese[oa]|prefier[oe])",
            "contestar|responder|decirlo|decir|informar|revelar|indicar|facilitar",
        ),
        (
            "prefir?[oe]?(?:re)? não|não (?:quer|quero|deseja|desejo|quis)",
            "responder|informar|dizer|declarar|revelar|indicar",
        ),
        (
            "preferisc[oe] non|non (?:voglio|vuole|desidero|desidera|intendo)",
            "rispondere|dirlo|dire|specificare|indicare|dichiarare",
        ),
        (
            r"(?:wil|zeg|zegt|vertel) (?:ik )?(?:het |dit |dat )?(?:liever )?niet|liever niet",
            "zeggen|antwoorden|beantwoorden|vertellen|aangeven|delen",
        ),
        (
            "vill (?:ej|inte)|(?:vil|ønsker) (?:ikke|ej)(?: å| at)?|föredrar att (?:ej|inte)",
            "svara|uppge|säga|ange|svare|oplyse|oppgi|si|sige|angi|angive",
        ),
        ("en halua", "vastata|kertoa|sanoa|ilmoittaa"),
        (
            "(?:wolę |nie chcę |wolał(?:a)?bym )(?:nie )?",
            "odpowiadać|odpowiedzieć|mówić|podawać|ujawniać|podać",
        ),
        ("(?:ne)?(?:chci|chce|přeji si|přeje si)(?: ne)?", "odpovědět|odpovídat|uvést|uvádět|říci"),
        ("nem (?:kíván|kívánok|akar|akarok|szeretne|szeretnék)", "válaszolni|válaszol|megadni"),
        ("nu (?:doresc|dorește|vreau|vrea) să", "răspund|răspundă|spun|spună|declar|declare"),
    )
)
"""Refusals put together of wanting and telling, in most languages of `_WORDS`."""
_ANY = "|".join([*map(re.escape, sorted(SPECIAL_WORDS)), _REFUSALS])
_JOINED = f"^(?:{_ANY})(?: ?/ ?(?:{_ANY}))+$"
_WRAP = r"^[\s(\[<*-]+|[\s)\]>*.!]+$"


def are_special(words: pa.StringArray) -> pa.BooleanArray:
    """Mark the words that mean "no answer" in the languages of `_WORDS`."""
    plain = pc.replace_substring(pc.utf8_lower(words), "’", "'")
    bare = pc.replace_substring_regex(plain, _WRAP, "")
    known = pa.array(sorted(SPECIAL_WORDS))
    spelled = pc.or_(pc.is_in(plain, value_set=known), pc.is_in(bare, value_set=known))
    for sign, form in ((" ", f"^(?:{_REFUSALS})$"), ("/", _JOINED)):
        has_sign = pc.match_substring(bare, sign)
        if pc.any(has_sign).as_py():
            found = pc.match_substring_regex(pc.if_else(has_sign, bare, ""), form)
            spelled = pc.or_(spelled, found)
    pressed = pc.replace_substring_regex(plain, r"[.\s()\[\]<>]+", "")
    dotted = pc.is_in(pressed, value_set=pa.array(sorted(_DOTTED)))
    return pc.or_(spelled, dotted)


def are_lone_codes(words: pa.StringArray) -> npt.NDArray[np.bool_]:
    """Mark customary codes, also 7 to 9, where no other word has a digit: labels have none left."""
    with_digits = pc.match_substring_regex(words, "[0-9]")
    codes = pc.match_substring_regex(words, "^-?[0-9]{1,3}$").to_numpy(zero_copy_only=False)
    marked = with_digits.to_numpy(zero_copy_only=False)
    found = words.filter(with_digits).to_pylist()
    lone = np.array_equal(codes, marked) and all(
        word in ("7", "8", "9") or _is_code(int(word)) for word in found
    )
    return marked if lone else np.zeros(len(words), np.bool_)


def special_codes(counts: Mapping[float, int], rows: int) -> list[float]:
    """Return the values that are codes for "no answer", not quantities.

    Args:
        counts: rows of each distinct value.
        rows: with a value.

    Only customary codes count (97 to 99, 997 to 999 and so on, 77, 88, -1 to -9, -77 to -99, -777,
    -888, -997 to -999 and so on), and only if they lie beyond the rest by more than twice its
    range, or are negative where nothing else is.
    """
    above = {value for value in counts if value > 0 and _is_code(value)}
    below = {value for value in counts if value < 0 and _is_code(value)}
    rest = [value for value in counts if value not in above and value not in below]
    if len(rest) < 3:
        return []
    least = 2 if all(value == int(value) for value in counts) else max(5, 0.01 * rows)
    found = _beyond(above, rest)
    if below and min(rest) >= 0 and not _continues(below, rest):
        found += below
    found = [] if any(counts[value] < least for value in found) else found
    return sorted(found) if sum(counts[value] for value in found) < MOST_SHARE * rows else []


def other_words(counts: Mapping[str, int], rows: int) -> list[str]:
    """Return words among numbers that are frequent enough to be special answers, else none."""
    few = len(counts) <= MOST_OTHER_WORDS and sum(counts.values()) < MOST_SHARE * rows
    frequent = all(
        count >= max(_LEAST_ROWS, _LEAST_SHARE * rows) and word.replace(" ", "").isalpha()
        for word, count in counts.items()
    )
    return list(counts) if few and frequent else []


def _is_code(value: float) -> bool:
    if value != int(value):
        return False
    digits = str(abs(int(value)))
    if value < 0 and len(digits) <= 2:
        return len(digits) == 1 or (digits[0] in "789" and int(digits) >= 77)
    nines = len(digits) >= 2 and set(digits[:-1]) == {"9"} and digits[-1] in "6789"
    return nines or digits in ("77", "88", "777", "888")


def _beyond(codes: set[float], rest: Sequence[float]) -> list[float]:
    """Return the codes above the rest by more than twice its range; 88 may be an age below 999."""
    low, high = min(rest), max(rest)
    left = sorted(codes)
    while left and left[0] - high <= 2 * (high - low):
        low, high = min(low, left[0]), max(high, left[0])
        left = left[1:]
    return left


def _continues(codes: set[float], rest: list[float]) -> bool:
    """Return whether negative values go on below the rest, as temperatures and -2 to 2 do."""
    run = max(codes) == -1 and len(codes) >= _DENSE * -min(codes)
    mirrored = run and max(rest) <= -min(codes)
    beside = min(rest) - max(codes) <= 1
    many = len(rest) > _CONTINUOUS or (run and len(codes) >= _RUN)
    return mirrored or (beside and many)


def take_codes(values: pa.Array) -> tuple[pa.Array, list[SpecialValue]]:
    """Return numbers with special codes as null, and the codes."""
    limits = pc.min_max(values).as_py()
    if not any(limit is not None and _is_code(limit) for limit in limits.values()):
        return values, []
    table = pc.value_counts(values.drop_null())
    distinct, rows = (table.field(name).to_numpy() for name in ("values", "counts"))
    kept = np.isin(distinct, _FAMILY)
    rest = np.flatnonzero(~kept)
    rest = rest[np.argsort(distinct[rest])]
    kept[[*rest[:_ENDS], *rest[-_ENDS:]]] = True  # the middle decides nothing
    kept[rest[distinct[rest] != np.floor(distinct[rest])][:1]] = True
    counts = dict(zip(distinct[kept].tolist(), rows[kept].tolist(), strict=True))
    codes = special_codes(counts, len(values) - values.null_count)
    return without_codes(values, codes) if codes else (values, [])


def without_codes(values: pa.Array, codes: Sequence[float]) -> tuple[pa.Array, list[SpecialValue]]:
    """Return numbers with these codes as null, and the codes with their shares of the rows."""
    marked = pc.is_in(values, value_set=pa.array(codes, values.type))
    rows = [pc.sum(pc.equal(values, code)).as_py() for code in codes]
    specials = [
        SpecialValue(value=str(int(code)), share=count / len(values))
        for code, count in zip(codes, rows, strict=True)
    ]
    return pc.if_else(marked, pa.scalar(None, values.type), values), specials


def codes_taken(before: pa.Array, after: pa.Array) -> pa.Array:
    """Return the codes that `take_codes` took out of some numbers, string [rows]."""
    taken = pc.and_(before.is_valid(), after.is_null())
    return pc.if_else(taken, before, None).cast(pa.int64()).cast(pa.string())


_FAMILY = np.array(
    [code for k in range(1, 15) for d in range(6, 10) if _is_code(code := 10**k - 10 + d)]
    + [code for code in (*range(-99, 0), 77, 88, 777, 888, -777, -888) if _is_code(code)]
    + [-code for k in range(3, 15) for d in range(6, 10) if _is_code(code := 10**k - 10 + d)]
)
"""All customary codes."""
