"""Keys, personal data and the persons of a table are found; look-alikes are left alone."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest

from simulacra_intake.personal_data.patterns import find_personal_data
from simulacra_intake.personal_data.vocabulary import PERSON, name_contains
from simulacra_schema.formats.file_labels import Declared
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.cleaning.clean import clean_table

pytestmark = pytest.mark.usefixtures("exact_counts")

ROWS = 240
FIRST = ["Ada", "Bruno", "Carla", "Dario", "Elif", "Farid", "Greta", "Henk", "Ida", "Jan", "Kaya"]
LAST = ["Albers", "Brandt", "Costa", "Dupont", "Eriksen", "Fischer", "García", "Hansen", "Ito"]


def people(count: int) -> list[str]:
    return [f"{FIRST[i % 11]} {LAST[(i // 11) % 9]}" for i in range(count)]


def schema_of(**columns: list[object] | pa.Array) -> TableSchema:
    rng = random.Random(1)
    rows = len(next(iter(columns.values())))
    plain = {
        "answer": [rng.choice(["yes", "no", "maybe"]) for _ in range(rows)],
        "amount": [rng.random() for _ in range(rows)],
    }
    return clean_table(pa.table({**columns, **plain})).schema


def column_of(name: str, values: list[object]) -> ColumnSchema:
    found = schema_of(**{name: values}).find(name)
    assert found is not None
    return found


def dutch_service_number(i: int) -> str:
    """Return a number whose weighted sum is a multiple of eleven (elfproef)."""
    start = [int(digit) for digit in f"{11_122_200 + i:08d}"]
    rest = sum(weight * digit for weight, digit in zip(range(9, 1, -1), start, strict=True)) % 11
    return "".join(map(str, start)) + str(rest) if rest < 10 else dutch_service_number(i + 5_000)


def social_insurance_number(i: int) -> str:
    """Return a Canadian number with the check digit of Luhn, in groups of three."""
    start = f"{21_234_567 + 7919 * i:08d}"
    doubled = [sum(map(int, str(int(d) * (1 + at % 2)))) for at, d in enumerate(start)]
    number = start + str(-sum(doubled) % 10)
    return f"{number[:3]} {number[3:6]} {number[6:]}"


PERSONAL: dict[str, tuple[str, Callable[[int], str]]] = {
    "email": ("reply_to", lambda i: f"p{i}.x@mail.example.de"),
    "url": ("page", lambda i: f"https://shop.example/u/{i}"),
    "ip": ("source", lambda i: f"10.{i % 7}.{i % 200}.{i % 90}"),
    "mac": ("device", lambda i: f"02:00:5e:10:{i % 256:02x}:{i // 256:02x}"),
    "phone": ("Telefonnummer", lambda i: f"0171 {1000000 + i * 7}"),
    "name": ("Ansprechpartner", lambda i: f"{FIRST[i % 11]} {LAST[i // 11 % 9]} {LAST[i // 99]}"),
    "last_name": ("Nachname", lambda i: f"{LAST[i % 9]}{'abcdefghijklm'[i // 9 % 13]}"),
    "street": ("Anschrift", lambda i: f"{LAST[i % 9]}straße {i}"),
    "national_id": ("reference", dutch_service_number),
    "iban": ("refund", lambda i: f"DE{98 - iban_remainder(i):02d}37040044{532013000 + i:010d}"),
}


def iban_remainder(i: int) -> int:
    return int(f"37040044{532013000 + i:010d}131400") % 97


@pytest.mark.parametrize("kind", PERSONAL)
def test_personal_data_is_found_and_not_learned(kind: str) -> None:
    name, make = PERSONAL[kind]
    found = column_of(name, [make(i) for i in range(ROWS)])
    assert (found.role, found.personal_data, found.learned) == ("personal_data", kind, False)


@pytest.mark.parametrize("kind", PERSONAL)
def test_personal_data_that_repeats_is_not_learned_either(kind: str) -> None:
    name, make = PERSONAL[kind]
    found = column_of(name, [make(i % 40) for i in range(ROWS)])
    assert found.personal_data == kind
    assert not found.learned
    assert not found.levels


def test_phone_numbers_that_arrive_as_integers_are_personal_data() -> None:
    found = column_of("mobile", [491_700_000_000 + 977 * i for i in range(ROWS)])
    assert found.personal_data == "phone"


FEW: dict[str, list[str]] = {
    "Imię": ["Agnieszka", "Zbigniew", "Żaneta", "Łukasz"],
    "RecipientLastName": ["van den Berg", "el Amrani", "de Vries", "Postma"],
    "Nombre": ["Lucía", "Ramón", "Begoña", "Sergio"],
    "Adı Soyadı": [f"{FIRST[i % 11]} {LAST[i % 9]}" for i in range(60)],
    "vevő neve": [f"{LAST[i % 9]} {FIRST[i % 11]}" for i in range(60)],
    "Müşteri": [f"{FIRST[i % 11]} {LAST[i % 9]}" for i in range(60)],
    "passport": ["C01X00T47", "C4VXPZ8R1", "L8Z000N01"],
    "NHS number": ["943 476 5919", "401 023 2137", "987 654 4321"],
    "PAN": [f"AB{'CDEFGH'[i % 6]}PK{1000 + 7 * i}{'LMNRS'[i % 5]}" for i in range(60)],
    "Provider": ["Dr. Ana Costa", "Dr. Jan Ito", "Prof. Ida Hansen"],
    "CPR-nr.": [f"{i % 28 + 1:02d}0354-{1000 + 7 * i}" for i in range(60)],
    "ФИО": [f"Иванов Иван{chr(1072 + i % 30)}{chr(1072 + i // 30)}" for i in range(60)],
    "at home": [f"(212) 5{i:02d}-{2000 + 7 * i}" for i in range(60)],
    "telefonszám": ["06 20 123 4567", "+36 30 555 1234", "30/7654321"],
    "الاسم": [f"محمد{chr(0x628 + i % 9)} الحربي{chr(0x628 + i // 9)}" for i in range(60)],
    "이름": [f"김민{chr(0xAC00 + 588 * (i % 10))}" for i in range(10)] + ["이서연", "박지호"] * 6,
    "回答者氏名": [f"佐藤{chr(0x4E00 + i)}" for i in range(40)],
    "Cognome": ["Esposito De Luca", "Lo Presti", "D'Angelo", "Bianchi"],
    "account owner": ["Ann Lee (ann@shop.example.org)", "Tom Beck <tom@shop.example.org>"],
    "Contact #": [f"07{700 + i} {500_000 + 7919 * i:06d}"[:12] for i in range(60)],
    "Bank account": [f"{82_799_500 + 7919 * i:010d}" for i in range(60)],
    "Kennzeichen": [f"M-AB {1000 + 37 * i}" for i in range(60)],
    "Ulice a č.p.": [f"{LAST[i % 9]}ova {i + 10}/{i % 5}" for i in range(60)],
    "Kenteken": [f"{i:02d}-{'ABCDEFG'[i % 7]}X-{90 - i}" for i in range(10, 70)],
    "Kfz-Kennzeichen": ["M-A 12", "HH-XY 3", "B-C 77"],
    "user name": ["akowalski", "jnovak", "tweber"],
    "login": ["akowal1", "j.novak", "tw3ber", "eva_k"],
    "Twitter": ["@ann_lee", "@tomb", "@evaweber"],
    "nom d'utilisateur": [f"{FIRST[i % 11]}{LAST[i // 11]}".lower() for i in range(60)],
    "posted by": [f"@{FIRST[i % 11]}_{i}" for i in range(60)],
    "sort code": ["20-00-00", "40-47-84", "60-83-71"],
    "고객": [f"{a}{b}" for a in "김이박최정" for b in ("민준", "서연", "지훈", "예은", "도윤")],
    "ssn_last4": [f"{7 * i % 9000 + 10:04d}" for i in range(60)],
    "national insurance": ["none", *(f"QQ{120_000 + 7919 * i}C"[:9] for i in range(60))],
    "SSN last 4": [f"{7 * i % 9000 + 10:04d}" for i in range(60)],
    "NAS": [social_insurance_number(i) for i in range(60)],
    "IBAN": [f"ES{98 - int(f'{i:020d}142800') % 97:02d}{i:020d}" for i in range(10**9, 10**9 + 9)],
}


@pytest.mark.parametrize("name", FEW)
def test_few_words_are_personal_data_where_the_name_says_so(name: str) -> None:
    words = FEW[name]
    found = column_of(name, [words[i % len(words)] for i in range(ROWS)])
    assert found.personal_data is not None
    assert not found.learned


@pytest.mark.parametrize(
    "name",
    ["Nº cliente", "ExternalReference", "vevőszám", "Hasta No", "回答ID", "受付番号", "접수번호"],
)
def test_number_of_each_row_that_is_named_so_is_a_key(name: str) -> None:
    assert column_of(name, [10_000 + 7 * i for i in range(ROWS)]).role == "key"


@pytest.mark.parametrize("name", ["Número de clientes", "number of users", "impressions"])
def test_counts_and_amounts_that_happen_to_differ_are_learned(name: str) -> None:
    counts = {int(random.Random(i).lognormvariate(11, 0.6)) for i in range(2 * ROWS)}
    assert column_of(name, random.Random(1).sample(sorted(counts), ROWS)).learned


def test_phone_in_several_forms_is_no_subject_beside_a_number_of_the_person() -> None:
    numbers = [f"{600_100_000 + 7919 * (i // 4)}" for i in range(ROWS)]
    forms = [n if i % 2 else f"+48 {n[:3]} {n[3:6]} {n[6:]}" for i, n in enumerate(numbers)]
    schema = schema_of(Telefon=forms, pacjent=[f"P{i // 4:04d}" for i in range(ROWS)])
    subject = schema.subject()
    assert subject is not None
    assert subject.name == "pacjent"


def test_short_word_that_may_be_a_number_of_a_person_makes_no_postcodes() -> None:
    numbers = [str(100_003 + 7919 * (i // 6)) for i in range(ROWS)]
    assert column_of("PIN", list(numbers)).kind == "integer"
    assert column_of("PIN code", list(numbers)).kind == "categorical"


LOOKS_LIKE: dict[str, Callable[[random.Random], object]] = {
    "product": lambda r: f"{r.choice(LAST)} Soap",
    "sku": lambda r: f"A-{r.randint(100, 160)}",
    "store_id": lambda r: r.randint(100, 140),
    "version": lambda r: f"{r.randint(1, 3)}.{r.randint(0, 5)}.{r.randint(0, 2)}",
    "city": lambda r: r.choice(["New York", "Los Angeles", "San Jose", "Fort Worth", "El Paso"]),
    "quarter": lambda r: f"Q{r.randint(1, 4)}/{r.randint(2012, 2024)}",
    "week": lambda r: f"2024-W{r.randint(1, 52):02d}",
    "personal_income": lambda r: r.randint(10, 90) * 100,
    "household_size": lambda r: r.randint(1, 40),
    "number_of_visits": lambda r: r.randint(1, 60),
    "score": lambda r: r.randint(100_000, 100_060),
    "contact": lambda r: r.choice(["Email", "Letter", "Visit"]),
    "last_visit": lambda r: r.choice(["Today", "Yesterday", "Earlier"]),
    "nombre": lambda r: r.choice(["Taladro", "Sierra", "Martillo"]),
    "customer type": lambda r: r.choice(["New Customer", "Key Account", "Lost Lead"]),
    "passport": lambda r: r.choice(["EU", "Swiss", "Other"]),
    "login method": lambda r: r.choice(["google", "password", "sso2", "email"]),
    "login device": lambda r: r.choice(["iPhone12", "Pixel7", "Galaxy9"]),
    "user type": lambda r: r.choice(["admin", "guest", "power_user"]),
    "twitter": lambda r: r.choice(["daily", "weekly", "never"]),
    "handle": lambda r: r.choice(["brass", "steel", "wood"]),
    "channel": lambda r: r.choice(["google", "newsletter", "shop24"]),
    "brand mentioned": lambda r: f"@brand{r.randint(10, 40)}",
    "Kennzeichen": lambda r: r.choice(["A100", "B200", "C300"]),
    "sort order": lambda r: r.choice(["20-00-00", "40-47-84", "60-83-71"]),
    "health insurance plan code": lambda r: r.choice(["PPO1500A", "HMO2500B", "HDHP6000"]),
    "mobile costs (sum)": lambda r: r.choice(["100 000", "250 000", "300 000 +"]),
    "고객 등급": lambda r: r.choice(["일반", "우수", "최우수"]),
    "会員区分": lambda r: "".join(r.choice("東西南北") for _ in range(3)),
    "가게 이름": lambda r: r.choice(["이마트", "김밥천국", "박가부대"]),
    "Όνομα μάρκας": lambda r: r.choice(["Φάγε", "Δωδώνη", "Όλυμπος"]),
    "contact duration": lambda r: r.randint(1, 90),
    "bank account type": lambda r: r.choice(["Giro 2000", "Spar 1", "Depot 12"]),
    "Kennzeichen Aktion": lambda r: r.choice(["A1", "B2", "C3"]),
    "last NHS visits": lambda r: r.randint(0, 9),
    "월 지출": lambda r: f"{r.randint(100, 999)} {r.randint(100, 999)} {r.randint(100, 999)}",
    "브랜드 이름": lambda r: r.choice(["갤럭시", "아이폰", "샤오미"]),
    "商品名": lambda r: r.choice(["緑茶", "紅茶", "珈琲"]),
    "اسم المنتج": lambda r: r.choice(["شاي أخضر", "قهوة عربية", "عصير برتقال"]),
    "account plan": lambda r: r.choice(["Basic (monthly)", "Pro @ home", "Team (3)"]),
    "dni w pracy": lambda r: r.randint(1, 31),
    "brand": lambda r: r.choice(["Delta & Co", "Ben Sons", "Rossi", "Blue Line"]),
    "passport expiry": lambda r: f"{r.randint(2024, 2034)}-{r.randint(1, 12):02d}-01",
    "NHS cost": lambda r: f"{r.uniform(10_000, 90_000):.2f}",
    "NHS ward": lambda r: f"Ward {r.randint(1000, 1030)}",
    "Nume": lambda r: r.choice(["Paine", "Lapte", "Branza", "Unt"]),
    "Ürün adı": lambda r: r.choice(["Elma", "Armut", "Ekmek", "Peynir"]),
}


@pytest.mark.parametrize("name", LOOKS_LIKE)
def test_look_alikes_are_neither_persons_nor_personal_data(name: str) -> None:
    rng = random.Random(name)
    schema = schema_of(**{name: [LOOKS_LIKE[name](rng) for _ in range(ROWS)]})
    found = schema.find(name)
    assert found is not None
    assert (found.role, found.personal_data, found.learned) == (None, None, True)
    assert schema.subject() is None


SUBJECTS: dict[str, Callable[[int], object]] = {
    "customer_id": lambda p: f"C{p:04d}",
    "Teilnehmer": lambda p: f"{FIRST[p % 11]} {LAST[p // 11 % 9]}",
    "pid": lambda p: 680_001 + 7 * p,
    "user": lambda p: f"u{5_220_000 + p * 31}",
    "Kundennummer": lambda p: 40_000 + 3 * p,
    "contact_email": lambda p: f"p{p}@mail.example.org",
    "case_id": lambda p: str(uuid.UUID(int=p * 7919)),
    "visitor": lambda p: uuid.UUID(int=p * 7919 << 64).hex,
    "device_id": lambda p: f"dev-{p * 31:05d}",
    "lopnr": lambda p: 40_000 + 3 * p,
    "mac address": lambda p: f"02:00:5e:10:00:{p:02x}",
}


@pytest.mark.parametrize("name", SUBJECTS)
def test_column_of_persons_with_several_rows_is_the_subject(name: str) -> None:
    schema = schema_of(**{name: [SUBJECTS[name](i // 4) for i in range(ROWS)]})
    subject = schema.subject()
    assert subject is not None
    assert (subject.name, subject.learned) == (name, False)
    assert subject.evidence


def test_column_that_decides_most_is_the_subject_and_others_are_keys() -> None:
    person = [i // 3 for i in range(ROWS)]
    schema = schema_of(
        household_id=[f"H{p // 2:03d}" for p in person],
        person_id=[f"P{p:03d}" for p in person],
        born=[f"19{40 + p % 60}-0{1 + p % 9}-1{p % 10}" for p in person],
    )
    household = schema.find("household_id")
    assert household is not None
    assert schema.subject() == schema.find("person_id")
    assert (household.role, household.learned) == ("foreign_key", False)


def test_code_that_decides_personal_data_is_the_subject_whatever_its_name() -> None:
    person = [i // 4 for i in range(ROWS)]
    schema = schema_of(
        zz=[f"k{p}x7" for p in person], email=[f"a{p}@mail.example.org" for p in person]
    )
    subject = schema.subject()
    assert subject is not None
    assert subject.name == "zz"


def test_long_number_that_decides_sex_and_birth_is_the_subject() -> None:
    person = [i // 4 for i in range(ROWS)]
    columns: dict[str, list[object]] = {
        "v1": [140_000 + 37 * p for p in person],
        "sex": ["mf"[p % 2] for p in person],
        "income": [200_000 + 1_250 * p for p in person],
    }
    schema = schema_of(**columns)
    assert schema.subject() == schema.find("v1")
    assert schema.find("income").learned  # type: ignore[union-attr]


def test_names_are_found_under_any_name_but_names_of_things_are_not() -> None:
    first, last = ["Anna", "Peter", "Laura", "Thomas", "Julia"], ["Müller", "Schmidt", "Weber"]
    pairs = [f"{b}, {a}" for a in first for b in [*last, "Wagner", "Becker"]]
    assert find_personal_data("V7", pairs) == "name"
    things = [f"{word} Soap" for word in ("Kraus", "Alba", "Finn")] * 9
    assert find_personal_data("V7", things) is None


RARE_FIRST = ["Anwen", "Ezekiel", "Xanthe", "Lachlan", "Tamsin"]
RARE_LAST = ["Nithercott", "Oyelaran", "Cadwallader", "Blenkinsop", "Quéméneur", "Rouvière"]
KNOWN = ["Anna Müller", "Peter Schmidt", "Sabine Weber", "Thomas Fischer", "Julia Becker",
         "Stefan Wagner", "Maria Hoffmann", "Karl Schulz"]  # fmt: skip
ODD_WORDS = [f"{x}{y}ning" for x in "bdfglmt" for y in ("an", "el", "or")]
RARE = [f"{first} {last}" for first in RARE_FIRST for last in RARE_LAST]


def test_names_that_no_list_has_are_found_by_the_emails_of_their_rows() -> None:
    bosses = [RARE[i % 8] for i in range(ROWS)]
    emails = [f"{boss.split()[0].lower()}.{i % 8}@firm.example" for i, boss in enumerate(bosses)]
    found = schema_of(q5=bosses, contact_mail=emails).find("q5")
    assert found is not None
    assert found.personal_data == "name"
    assert not found.learned
    answers = schema_of(q5=["Car Hire", "Home Loan", "Pet Care"] * 80, contact_mail=emails)
    assert [column.personal_data for column in answers.columns[:2]] == [None, "email"]


@pytest.mark.parametrize("name", ["City", "Department", "Store name", "部署"])
def test_places_that_emails_are_made_of_are_no_names(name: str) -> None:
    places = [["Berlin", "Hamburg", "Sales", "Legal"][i % 4] for i in range(60)]
    emails = [f"{place.lower()}.{i}@firm.example" for i, place in enumerate(places)]
    answers, _, contact, *_ = schema_of(
        **{name: places, "mail": emails, f"Verkaufsleiter {name}": places}
    ).columns
    assert (answers.personal_data, contact.personal_data) == (None, "last_name")


def test_a_name_beside_a_first_name_is_a_last_name() -> None:
    last = [RARE_LAST[i % 6] for i in range(ROWS)]
    found = schema_of(Prénom=[RARE_FIRST[i % 5] for i in range(ROWS)], Nom=last)
    assert [c.personal_data for c in found.columns[:2]] == ["first_name", "last_name"]
    assert column_of("Nom", last).personal_data is None


@pytest.mark.parametrize(
    ("name", "words", "kind"),
    [
        ("Line Manager", RARE, "name"),
        ("responsable de tienda", RARE, "name"),
        ("Nominativo", RARE, "name"),
        ("Store manager region", [f"{w} {x}" for w in RARE_LAST for x in RARE_LAST], None),
        ("Voorl.", [f"{x}." for x in "ABCDEFGHJ"] + ["A.J.", "M.C."], "first_name"),
        ("initials", ["JB", "KMO", "TS", "RAH"], "first_name"),
        ("Réponses initiales", ["Oui", "Non", "Sais"], None),
        ("user", [f"{x}{y}" for x in "abcde" for y in ("brandt", "costa", "ito", "weber")], "name"),
        ("Benutzer", ["akowalski", "mfischer", "jhansen"], "name"),
        ("user", ["admin", "guest", "editor", "owner"], None),
        ("Interviewer", KNOWN, "name"),
        ("interviewer_name", KNOWN, "name"),
        ("Store manager", KNOWN, "name"),
        ("Interviewer", [word.split()[0] for word in KNOWN], "first_name"),
        ("Store", KNOWN, None),
        ("Trainer Start", RARE, "name"),
        ("Betreuer Quartier", RARE, "name"),
        ("Kontaktart", RARE, None),
        ("Kundentyp", RARE, None),
        ("Capo diretto", KNOWN[:3], "name"),
        ("What is the last thing you bought?", [w.capitalize() for w in ODD_WORDS], None),
        ("Emp_last", [w.capitalize() for w in ODD_WORDS], "last_name"),
        ("First choice", [w.capitalize() for w in ODD_WORDS], None),
        ("Recipient Last", [w.capitalize() for w in ODD_WORDS], "last_name"),
        ("Direct line", [f"020 7{i:03d} {i:04d}" for i in range(30)], "phone"),
    ],
)
def test_persons_are_named_by_their_work_their_initials_or_their_login(
    name: str, words: list[str], kind: str | None
) -> None:
    assert find_personal_data(name, words) == kind


PHRASES = {
    "Reason for contact": ("Billing Lost Late Broken", "Question Package Order Refund Invoice"),
    "contact_reason": ("New Old Missing Faulty", "Contract Device Router Password Tariff"),
    "Kontaktgrund": ("Offene Falsche Neue Verlorene", "Rechnung Lieferung Adresse Bestellung Ware"),
    "Motivo de contacto": ("Factura Entrega Cuenta Pedido", "Perdida Errónea Tardía Nueva Doble"),
    "Motif du contact": ("Facture Livraison Commande Carte", "Perdue Erronée Tardive Neuve Double"),
    "powód kontaktu": ("Zgubiona Nowa Błędna Pilna", "Faktura Przesyłka Umowa Usługa Karta"),
    "Customer segment": ("Urban Rural Active Senior", "Families Singles Couples Owners Renters"),
    "Household type": ("Single Double Young Retired", "Parent Earner Couple Renter Owner"),
}


@pytest.mark.parametrize("name", PHRASES)
def test_phrases_that_sort_contacts_are_categories_and_names_among_them_are_not(name: str) -> None:
    first, last = (part.split() for part in PHRASES[name])
    phrases = [f"{one} {other}" for one in first for other in last]
    assert len(phrases) == 20
    found = column_of(name, [phrases[i * 7 % 20] for i in range(ROWS)])
    assert (found.kind, found.role, len(found.levels)) == ("categorical", None, 20)
    names = [f"{one.split()[0]} {other.split()[1]}" for one in KNOWN for other in KNOWN]
    assert column_of(name, [names[i % len(names)] for i in range(ROWS)]).personal_data == "name"


@pytest.mark.parametrize("name", ["Category manager", "Contact", "Name and position", "Kontakt"])
def test_words_under_a_name_of_persons_stay_names(name: str) -> None:
    assert find_personal_data(name, RARE) == "name"


@pytest.mark.parametrize(("name", "kind"), [("SSN last 4", "national_id"), ("BLZ", "iban")])
def test_short_numbers_of_persons_may_be_whole_numbers(name: str, kind: str) -> None:
    digits = [7 * i % 9000 + 12 if kind == "national_id" else 20_050_000 + i for i in range(ROWS)]
    found = column_of(name, list(digits))
    assert (found.personal_data, found.learned) == (kind, False)


def test_numbers_of_a_time_under_the_name_of_an_office_are_no_last_digits() -> None:
    assert find_personal_data("NHS cost last 4 weeks", [str(i) for i in range(90, 400)]) is None
    assert find_personal_data("NHS last four", [str(i) for i in range(1_090, 1_400)]) is not None


def test_initials_are_written_as_initials_and_may_be_those_of_others() -> None:
    letters = [f"{'ABCDEFGHJK'[i % 10]}." for i in range(ROWS)]
    found = column_of("initials", list(letters))
    assert (found.personal_data, found.text_format) == ("first_name", "{first[0]}.")


def test_words_of_few_persons_each_are_not_emitted() -> None:
    person = [i // 4 for i in range(ROWS)]
    schema = schema_of(
        customer_id=[f"C{p:04d}" for p in person],
        branch=[f"{10 + p}-{20 + p}-07" for p in person],
        employer=[f"{chr(97 + p % 26)}{chr(97 + p // 3)} and partners" for p in person],
    )
    branch, employer = schema.find("branch"), schema.find("employer")
    assert branch is not None
    assert employer is not None
    assert (branch.learned, branch.masks[0].form) == (False, "##-##-07")
    assert (employer.learned, employer.kind, employer.levels) == (False, "text", [])


def test_branch_of_a_bank_is_no_person_although_it_repeats() -> None:
    codes = [f"20-{i // 4:02d}-{90 - i // 4}" for i in range(ROWS)]
    schema = schema_of(**{"Sort code": codes, "branch": [f"B{i // 4:03d}" for i in range(ROWS)]})
    assert schema.subject() is None
    assert not schema.columns[0].learned


def test_household_code_in_another_script_is_the_subject() -> None:
    schema = schema_of(**{"Κωδικός νοικοκυριού": [f"N{301 + i // 4}" for i in range(ROWS)]})
    assert (schema.subject() or schema.columns[1]).name == "Κωδικός νοικοκυριού"


def test_names_are_no_subject_beside_a_number_of_the_person_in_each_row() -> None:
    schema = schema_of(
        navn=[people(90)[i % 90] for i in range(ROWS)],
        resp_nr=[7001 + 2 * i for i in range(ROWS)],
        postnr=[f"{i % 60:04d}" for i in range(ROWS)],
    )
    assert schema.subject() is None
    assert [schema.columns[i].role for i in range(3)] == ["personal_data", "key", None]


def test_names_that_repeat_by_chance_are_no_subject_beside_an_email_a_row() -> None:
    schema = schema_of(
        name=[people(90)[i % 90] for i in range(ROWS)],
        email=[f"a{i}@mail.example.org" for i in range(ROWS)],
    )
    assert schema.subject() is None


def test_manager_of_many_employees_is_no_subject_beside_their_numbers() -> None:
    boss = [i % 24 for i in range(ROWS)]
    found = schema_of(
        employee_id=[f"{7919 * i % 99_991:06d}" for i in range(ROWS)],
        manager_email=[f"boss{b}@firm.example" for b in boss],
        team=[f"T{b:02d}" for b in boss],
    )
    assert found.subject() is None
    assert [column.learned for column in found.columns[:3]] == [False, False, True]


def tracker(waves: int, each: int, is_panel: bool) -> dict[str, list[object]]:
    """Return numbers from 1 on in each wave, sex and an opinion; of a panel, those of a person."""
    rng = random.Random(3)
    persons = [(rng.choice("mf"), rng.randint(18, 80)) for _ in range(waves * each)]
    who = [i % each if is_panel else i for i in range(waves * each)]
    return {
        "resp_no": [1 + i % each for i in range(waves * each)],
        "wave": [1 + i // each for i in range(waves * each)],
        "sex": [persons[p][0] for p in who],
        "age": [persons[p][1] for p in who],
    }


@pytest.mark.parametrize("without", [(), ("wave",), ("sex", "age"), ("sex", "age", "wave")])
def test_numbers_that_start_again_in_each_wave_are_no_persons(without: tuple[str, ...]) -> None:
    columns = tracker(4, 150, is_panel=False)
    schema = schema_of(**{name: of for name, of in columns.items() if name not in without})
    number = schema.find("resp_no")
    assert number is not None
    assert schema.subject() is None
    assert (number.role, number.learned) == ("foreign_key", False)
    assert any("start again" in why for why in number.evidence)


def test_numbers_of_a_panel_are_persons_whatever_their_order() -> None:
    columns = tracker(4, 150, is_panel=True)
    order = list(range(600))
    random.Random(5).shuffle(order)
    for rows in (range(600), order):
        schema = schema_of(**{name: [of[i] for i in rows] for name, of in columns.items()})
        assert schema.subject() == schema.find("resp_no")
        assert schema.persons == 150


def sorted_by_point(name: str, size: int, **others: list[object]) -> TableSchema:
    """Return the schema of 40 points in order, in a region each; regions change back and forth."""
    points = [i // size for i in range(40 * size)]
    region = ["NSEW"[p % 4] for p in points]
    return schema_of(**{name: [101 + p for p in points], "region": region, **others})


@pytest.mark.parametrize(
    "name", ["psu", "EA", "Sample-Point", "sampling_point", "sp_nr", "Klumpen", "cluster_id"]
)
def test_file_sorted_by_sampling_point_has_a_person_in_each_row(name: str) -> None:
    schema = sorted_by_point(name, 15)
    point = schema.find(name)
    assert point is not None
    assert (schema.subject(), point.role, point.learned) == (None, "foreign_key", False)


def test_groups_of_rows_are_persons_to_confirm_unless_sexes_differ_in_them() -> None:
    schema = sorted_by_point("v1", 15)
    subject = schema.subject()
    assert subject is not None
    assert (subject.name, subject.to_confirm) == ("v1", "groups")
    rng = random.Random(7)
    sexes = [rng.choice("mf") for _ in range(600)]
    assert sorted_by_point("v1", 15, sex=sexes).subject() is None
    household = sorted_by_point("v1", 4, sex=sexes[:160]).subject()
    assert household is not None


def test_names_in_answers_are_no_subject_where_their_rows_have_nothing_in_common() -> None:
    rng = random.Random(9)
    names = [rng.choice(people(60)) for _ in range(ROWS)]
    assert schema_of(q12_other=names).subject() is None
    city = [f"city {name[-3:]}" for name in names]
    assert schema_of(q12_other=names, city=city).subject() is not None


def test_row_that_names_no_person_is_a_person_of_its_own() -> None:
    ids: list[object] = [None, None, *(f"C{i % 40:04d}" for i in range(ROWS - 2))]
    schema = schema_of(customer_id=ids)
    assert schema.subject() is not None
    assert schema.persons == 42


def test_answers_that_are_names_are_no_subject_where_one_is_frequent() -> None:
    names = people(60)
    answers = [names[0] if i % 3 == 0 else names[1 + i % 59] for i in range(ROWS)]
    schema = schema_of(most_admired=answers)
    admired = schema.find("most_admired")
    assert admired is not None
    assert (schema.subject(), admired.personal_data, admired.learned) == (None, "name", False)


def test_number_of_a_guest_in_many_rows_does_not_hide_the_customers() -> None:
    customers = [90_000 if i % 3 == 0 else 40_000 + 3 * (i // 4) for i in range(ROWS)]
    schema = schema_of(Kundennummer=customers)
    assert schema.subject() == schema.find("Kundennummer")


def test_first_names_of_a_contact_list_are_no_subject() -> None:
    schema = schema_of(first_name=[FIRST[i % 11] + "aeio"[i % 4] for i in range(ROWS)])
    assert schema.subject() is None


def test_one_row_a_person_has_a_key_and_no_subject() -> None:
    schema = schema_of(customer_id=[f"C{i:04d}" for i in range(ROWS)])
    found = schema.find("customer_id")
    assert found is not None
    assert (found.role, schema.subject()) == ("key", None)


def test_email_among_other_words_is_removed() -> None:
    words = ["phone", "mail", "post"] * 80
    words[17] = "jo.real@mail.example.org"
    found = column_of("reached by", words)
    assert "jo.real@mail.example.org" not in found.level_values()
    assert found.missing_share == pytest.approx(1 / 240, abs=0.005)


def test_exact_coordinates_are_learned_on_a_grid() -> None:
    clean = clean_table(
        pa.table(
            {
                "lat": [48.12345 + i / 377 for i in range(ROWS)],
                "lon": [11.54321 + i / 391 for i in range(ROWS)],
                "answer": ["yes", "no", "no", "yes"] * 60,
            }
        )
    )
    latitude = clean.schema.find("lat")
    assert latitude is not None
    assert latitude.role == "coordinate"
    learned = set(clean.table.column("lat").to_pylist())
    assert learned == {round(v, 2) for v in learned}
    assert len(learned) < 12


def test_schema_of_an_identifier_shows_no_real_value() -> None:
    found = column_of("customer_id", [700_001 + 13 * i for i in range(ROWS)])
    assert (found.minimum, found.maximum) == (None, None)
    assert [mask.form for mask in found.masks] == ["70####"]
    assert not found.levels


def test_notes_name_every_protected_column() -> None:
    schema = schema_of(
        customer_id=[f"C{i // 4:04d}" for i in range(ROWS)],
        email=[f"a{i // 4}@mail.example.org" for i in range(ROWS)],
    )
    noted = {note.column for note in schema.cleaning}
    assert {"customer_id", "email"} <= noted


@pytest.mark.parametrize(
    ("name", "is_person"),
    [
        ("Kundennummer", True),
        ("respondentId", True),
        ("consumer_confidence", False),
        ("Håndværker", False),
        ("Użytkownik", True),
        ("house hold", True),
        ("visit orders", False),
        ("Is the label ever too small?", False),
    ],
)
def test_names_are_read_by_parts_and_compounds(name: str, is_person: bool) -> None:
    assert name_contains(name, PERSON) is is_person


def surrogates() -> Iterator[str]:
    yield from ("", " ", "\ud800", "@", "+", "1" * 5000, "a@b", "::", "." * 300)


def test_strange_words_are_no_personal_data() -> None:
    assert find_personal_data("phone", list(surrogates()) * 5) is None


def test_cells_longer_than_an_address_are_not_searched() -> None:
    assert find_personal_data("address", [f"High Street {i}" for i in range(20)]) == "street"
    long = "High " * 60
    assert find_personal_data("address", [f"{long}Street {i}" for i in range(20)]) is None


def test_long_cells_are_read_in_a_time_that_grows_with_their_length() -> None:
    before = time.process_time()
    for name, long in (("address", "xxxx<" * 13_000), ("page", "www." * 16_000 + " ")):
        assert find_personal_data(name, [f"{long}{i}" for i in range(20)]) is None
    assert time.process_time() - before < 5


@pytest.mark.parametrize(
    ("label", "words", "kind"),
    [
        ("Nachname", [f"{x.lower()}{y}".title() for x in RARE_LAST for y in "aeiou"], "last_name"),
        ("What is your first name?", [word.split()[0] for word in KNOWN], "first_name"),
        ("Telefon", [str(15_100_000 + 7919 * i) for i in range(60)], "phone"),
        ("Zufriedenheit", RARE, None),
        ("What did you order via our shop?", [f"Phone {i} Pro" for i in range(30)], None),
        ("Via di residenza", [f"Via Roma {i}" for i in range(30)], "street"),
        ("Last purchase", [word.capitalize() for word in ODD_WORDS], None),
        ("Last visited", [f"Shop {word.capitalize()}" for word in ODD_WORDS], None),
        ("Customer last", [word.capitalize() for word in ODD_WORDS], "last_name"),
        ("Your line manager", RARE, "name"),
        ("In which sector does the head of household work?", RARE, None),
    ],
)
def test_labels_of_a_file_name_personal_data_too(
    label: str, words: list[str], kind: str | None
) -> None:
    cells = [words[i % len(words)] for i in range(ROWS)]
    plain = {"x": [i % 7 for i in range(ROWS)], "y": [i % 3 for i in range(ROWS)]}
    raw = pa.table({"v7": cells, **plain})
    field = Declared(label=label).on(raw.schema.field("v7"))
    found = clean_table(raw.cast(raw.schema.set(0, field))).schema.find("v7")
    assert found is not None
    assert found.personal_data == kind


def test_a_few_full_names_are_persons_under_any_column_name() -> None:
    brands = (
        "Calvin Klein,Hugo Boss,Tommy Hilfiger,Ralph Lauren,Michael Kors,Tom Tailor,Marc Jacobs"
    )
    for name in ("Wer?", "Assigned to", "V3"):
        assert find_personal_data(name, KNOWN) == "name"
        assert find_personal_data(name, [*brands.split(","), "Jack Jones", "Other Brand"]) is None


def test_numbers_of_chinese_papers_without_a_known_county_are_read() -> None:
    words = [f"{523_689_935_211_170_238 + 2 * i}" for i in range(40)]
    assert find_personal_data("x1", words) is None


def test_contacts_by_mail_or_phone_are_personal_data() -> None:
    words = [f"p{i}@mail.example" if i % 2 else f"0151 {595_138 + 7919 * i}" for i in range(40)]
    found = column_of("Kontakt (E-Mail oder Telefon)", [words[i % 40] for i in range(ROWS)])
    assert (found.personal_data, found.learned) == ("email", False)


def test_mistyped_mails_among_answers_are_not_the_whole_column() -> None:
    words = ["Aldi", "Lidl", "Tesco", "Asda", "Spar", "Coop", "Rewe", "a@mail.example"]
    assert column_of("shop", [words[i % 8] for i in range(ROWS)]).kind == "categorical"


@pytest.mark.parametrize(
    "numbers",
    [
        pa.array([-(10**31) - 10**25 * (i // 4) for i in range(ROWS)], pa.decimal128(38, 0)),
        pa.array([(i // 4) * 7_919_777_131 for i in range(ROWS)]).cast(pa.decimal128(38, 8)),
    ],
    ids=["below the lowest of int64", "with a zero, which Arrow writes as 0E-8"],
)
def test_long_decimals_of_one_person_each_are_fresh(numbers: pa.Array) -> None:
    schema = schema_of(customer_id=[f"C{i // 4:04d}" for i in range(ROWS)], konto=numbers)
    assert [column.role for column in schema.columns][:2] == ["subject", "foreign_key"]


def test_long_numbers_of_one_person_each_are_fresh() -> None:
    person = [i // 4 for i in range(ROWS)]
    schema = schema_of(
        customer_id=[f"C{p:04d}" for p in person],
        Vertragskonto=[182_263_645_127 + 7_919_777 * p for p in person],
        opened=[1_700_000_000 + 86_413 * p for p in person],
        ean=[5_000_112_548_167 + 11 * random.Random(i).randrange(20) for i in range(ROWS)],
    )
    roles = {column.name: column.role for column in schema.columns}
    assert roles["Vertragskonto"] == "foreign_key"
    assert (roles["opened"], roles["ean"]) == (None, None)


def test_date_of_birth_as_a_number_is_no_subject() -> None:
    rng = random.Random(5)
    days = [10_000 * rng.randint(1940, 2004) + 100 * rng.randint(1, 12) + rng.randint(1, 28)
            for _ in range(300)]  # fmt: skip
    born = [rng.choice(days) for _ in range(600)]
    schema = schema_of(born=born, birth_year=[one // 10_000 for one in born])
    assert schema.persons is None
    assert [column.learned for column in schema.columns[:2]] == [True, True]


def test_answer_that_is_an_id_of_something_is_no_subject() -> None:
    rng = random.Random(6)
    favorite = [rng.randint(1, 200) for _ in range(600)]
    schema = schema_of(favorite_id=favorite, age=[rng.randint(18, 80) for _ in range(600)])
    column = schema.find("favorite_id")
    assert schema.persons is None
    assert column is not None
    assert column.role == "foreign_key"
    assert column.evidence == ["rows of one value agree no more than others"]


def test_id_within_which_others_agree_is_the_subject() -> None:
    rng = random.Random(7)
    which = [rng.randint(1, 200) for _ in range(600)]
    schema = schema_of(account_id=which, age=[20 + one % 50 for one in which])
    assert schema.find("account_id").role == "subject"
