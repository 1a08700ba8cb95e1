"""Levels with an obvious order, and those that only look like it."""

from __future__ import annotations

import random

import pytest

from simulacra_intake.columns.parse.scales import order_levels


@pytest.mark.parametrize(
    "levels",
    [
        ["Strongly disagree", "Disagree", "Neither agree nor disagree", "Agree", "Strongly agree"],
        ["Péssimo", "Ruim", "Regular", "Bom", "Ótimo"],
        ["pésimo", "malo", "regular", "bueno", "excelente"],
        ["très mauvais", "mauvais", "moyen", "bon", "excellent"],
        ["surkea", "huono", "hyvä", "erinomainen"],
        ["很差", "差", "一般", "好", "很好"],
        ["1 - low", "2 - so so", "3 - mid", "10 - high"],
        ["1 - low", "2", "3", "4", "5 - high"],
        ["1", "2", "3", "4 or more"],
        ["none", "low", "high"],
        ["18-24", "25-34", "35-44", "45-54", "55-64", "65+"],
        ["Under 18", "18 to 24", "25 to 34", "35 and over"],
        ["<18", "18–64", ">64"],
        ["lt $1000", "$1000 to 2999", "$7000 to 7999", "$10000 - 14999", "$25000 or more"],
        ["$0-$50k", "$50k-$100k", "$100k-$1m", "more than $1m"],
        ["Jan", "Feb", "Mar", "June", "Dec"],
        ["Monday", "Wednesday", "Sunday"],
        ["Never", "Sometimes", "Always"],
        ["XS", "S", "M", "L", "XL"],
        ["F", "D", "C", "B", "A"],
        ["C", "B-", "B", "A-", "A"],
        ["Brons", "Zilver", "Goud"],
        ["Jamais", "Moins souvent", "Une fois par semaine", "Tous les jours"],
        ["low", "Medium", "HIGH"],
        ["never", "once a year", "once a month", "every week"],
        ["not too happy", "pretty happy", "very happy"],
        ["Less than high school", "High school", "Bachelor's degree", "Master's degree", "PhD"],
        ["very_dissatisfied", "neutral", "very_satisfied"],
    ],
)
def test_scales_are_put_in_order(levels: list[str]) -> None:
    shuffled = random.Random(3).sample(levels, len(levels))
    assert order_levels(shuffled) == levels


@pytest.mark.parametrize(
    "levels",
    [
        ["low", "high"],
        ["low", "medium", "high", "Refused"],
        ["red", "green", "blue"],
        ["<=50K", ">50K"],
        ["5th-6th", "7th-8th", "HS-grad", "Bachelors"],
        ["small", "s", "medium"],
        ["Divorced", "Never-married", "Separated"],
        ["v1", "v2", "v3"],
        ["001", "002", "003"],
        ["$5", "€7", "$6"],
        ["1-2 rooms", "house", "flat"],
    ],
)
def test_levels_without_a_scale_keep_their_order(levels: list[str]) -> None:
    assert order_levels(levels) is None
