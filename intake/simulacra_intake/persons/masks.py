"""Forms of codes: learned from a column's words, and drawn again with other letters and digits.

A place that is the same in nearly all words of a form ("+44 7" in British mobile numbers) stays;
all others are drawn. Codes are counted out rather than drawn at random, so they never repeat.
"""

import itertools
import re
import string
from collections import Counter, defaultdict
from collections.abc import Sequence
from math import gcd

import numpy as np
import numpy.typing as npt

from simulacra_schema.table import MaskSchema

MIN_WORDS = 5
"""A form that fewer words have could be that of one person."""
MAX_FORMS = 12
SAME = 0.99
MIN_WORDS_FOR_A_PREFIX = 20
MAX_WORDS = 20_000
MOST = 0.8
"""Share of the words that the forms must cover, else any letter or digit may stand in any place."""
COUNTED = 10**14
"""More possible codes than this are drawn at random, because none repeats by chance."""
ROOM = 10
"""Possible codes for each real one, so that few invented codes are real ones and drawn again."""
MIXED = "*"
FEW_LETTERS = 4
_TOKEN = re.compile(r"\\.|\[[^\]]+\]|.", re.S)
_CLASSES = {"#": string.digits, "A": string.ascii_uppercase, "a": string.ascii_lowercase}
_DRAWN = {*_CLASSES, MIXED}
_DIGITS = frozenset(string.digits)


def learn_masks(words: Sequence[str]) -> list[MaskSchema]:
    """Return the forms of the distinct words of a column, most frequent first."""
    some = words[:: max(len(words) // MAX_WORDS, 1)]
    masks = _masks(some, mixed=False)
    if sum(mask.share for mask in masks) < MOST:
        masks = _masks(some, mixed=True)
    return masks


def learn_number_masks(words: Sequence[str], highest: int) -> list[MaskSchema]:
    """Return the forms of whole numbers, none where fresh ones are those above all of them.

    Numbers of several lengths are mostly counted up. Where the type has no room above them, they
    are hashes, which use all of it, and fresh ones are like them.

    words: the distinct numbers; highest: the number up to which the column's type holds each whole
    number.
    """
    longest = max(map(len, words))
    of_length = min(highest + 1, 10**longest) - 10 ** (longest - 1)
    if of_length < ROOM * len(words) or max(map(int, words)) > highest:
        return []
    alike = len(set(map(len, words))) == 1
    return learn_masks(words) if alike or highest < 2 * 10**longest else []


def _masks(words: Sequence[str], *, mixed: bool) -> list[MaskSchema]:
    groups: dict[str, list[str]] = defaultdict(list)
    for word in words:
        groups["".join(_class_of(letter, mixed) for letter in word)].append(word)
    ends = _common_ends(words)
    capitals = {letter for word in words for letter in word if letter in string.ascii_uppercase}
    few = len(words) >= MIN_WORDS_FOR_A_PREFIX and 0 < len(capitals) <= FEW_LETTERS
    any_capital = "[" + "".join(sorted(capitals)) + "]" if few else "A"
    largest = sorted(groups.items(), key=lambda item: -len(item[1]))[:MAX_FORMS]
    return [
        _mask(shape, members, len(members) / len(words), ends, any_capital)
        for shape, members in largest
        if len(members) >= MIN_WORDS
    ]


def _class_of(letter: str, mixed: bool) -> str:
    for code, letters in _CLASSES.items():
        if letter in letters:
            return MIXED if mixed else code
    return letter


def _common_ends(words: Sequence[str]) -> tuple[int, int]:
    """Return how many letters all words have in common at the start and at the end."""
    if len(words) < MIN_WORDS_FOR_A_PREFIX:
        return 0, 0
    start = _shared(words)
    return start, _shared([word[start:][::-1] for word in words])


def _shared(words: Sequence[str]) -> int:
    """Return how many letters all words begin with: those of the first and last in order."""
    pairs = zip(min(words), max(words), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _mask(
    shape: str, members: Sequence[str], share: float, ends: tuple[int, int], any_capital: str
) -> MaskSchema:
    """Return the form of words of one shape.

    any_capital: form of a capital letter that may vary; the check letter of a Chilean RUT is a K
    or a digit.
    """
    start, end = ends
    form = ""
    for at, code in enumerate(shape):
        if at < start or at >= len(shape) - end:
            form += _escaped(members[0][at])
        elif code in _DRAWN:
            place = _place(code, [word[at] for word in members])
            form += any_capital if place == "A" else place
        else:
            form += _escaped(code)
    return MaskSchema(form=form, share=share)


def _place(code: str, seen: Sequence[str]) -> str:
    """Return the form of one place: what stays, the few letters that it has, or its class."""
    counts = Counter(seen)
    common, times = counts.most_common(1)[0]
    if len(seen) >= MIN_WORDS_FOR_A_PREFIX:
        if times >= SAME * len(seen):
            return _escaped(common)
        if len(counts) <= FEW_LETTERS and min(counts.values()) >= MIN_WORDS and code != "#":
            return "[" + "".join(sorted(counts)) + "]"
    return "[" + "".join(sorted(counts)) + "]" if code == MIXED else code


def _escaped(letter: str) -> str:
    return "\\" + letter if letter in "#Aa[]\\" else letter


def places(mask: MaskSchema) -> list[str]:
    """Return the letters that each place of a code may have."""
    return [
        _CLASSES.get(token, token.removeprefix("\\")) if len(token) < 3 else token[1:-1]
        for token in _TOKEN.findall(mask.form)
    ]


def possible(letters: Sequence[str]) -> int:
    """Return how many codes the places allow."""
    count = 1
    for choice in letters:
        count *= len(choice)
    return count


def first_digit(letters: Sequence[str]) -> int:
    """Return the first place of digits, behind a minus sign or a prefix; 0 if there is none."""
    return next((i for i, choice in enumerate(letters) if choice[0] in _DIGITS), 0)


def loosened(letters: list[str], codes: int) -> list[str]:
    """Return the places with fixed digits set free, the last first, until enough codes exist."""
    freer, first = list(letters), first_digit(letters)
    for at in reversed(range(len(freer))):
        if possible(freer) >= codes:
            break
        if freer[at] in _DIGITS:
            freer[at] = string.digits[1:] if at == first else string.digits
    return freer


def capped(letters: list[str], highest: int) -> list[str]:
    """Return the places of a number up to the highest one, which does not begin with 0.

    Other digits may still exceed the highest number.
    """
    first = first_digit(letters)
    if len(letters[first]) == 1:
        return letters
    most = str(highest)[0] if len(letters) - first == len(str(highest)) else "9"
    digits = [digit for digit in letters[first] if "0" < digit <= most]
    return [*letters[:first], "".join(digits), *letters[first + 1 :]]


def widened(letters: list[str], codes: int) -> list[str]:
    """Return the places with digits added behind the last one until they allow enough codes."""
    wider = list(letters)
    free = [i for i, choice in enumerate(wider) if choice == string.digits]
    digits = free or [i for i, choice in enumerate(wider) if choice[0].isdigit()]
    last = digits[-1] if digits else len(wider) - 1
    while possible(wider) < codes:
        wider.insert(last + 1, string.digits)
    return wider


def code_words(
    letters: Sequence[str], index: npt.NDArray[np.int64], rng: np.random.Generator
) -> list[str]:
    """Return the codes of these indexes; different indexes give different codes.

    Args:
        letters: of each place; see `places`.
        index: int64 [n], from 0 and below the number of possible codes.
        rng: chooses the order in which codes are counted; the same state gives the same order.
    """
    count = possible(letters)
    n = index.size
    if count > COUNTED:
        columns = [np.array(list(choice))[rng.integers(len(choice), size=n)] for choice in letters]
        return _joined(columns, n)
    step, start = count_out(count, rng)
    left = np.array([(step * int(i) + start) % count for i in index], np.int64)
    columns = []
    for choice in reversed(letters):
        columns.append(np.array(list(choice))[left % len(choice)])
        left //= len(choice)
    return _joined(columns[::-1], n)


def count_out(count: int, rng: np.random.Generator) -> tuple[int, int]:
    """Return a step that visits every number below count once, and a start."""
    step = int(rng.integers(1, count + 1))
    while gcd(step, count) != 1:
        step = step % count + 1
    return step, int(rng.integers(count))


def _joined(columns: Sequence[npt.NDArray[np.str_]], n: int) -> list[str]:
    if not columns:
        return [""] * n
    grid = np.ascontiguousarray(np.stack(columns, axis=1).astype("U1"))
    words: list[str] = grid.view(f"U{len(columns)}").reshape(-1).tolist()
    return words
