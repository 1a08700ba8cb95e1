"""Names of the days of the week in 24 languages (CLDR), long and short."""

from __future__ import annotations

from functools import cache

_LONG = {
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "de": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
    "fr": "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "es": "lunes martes miércoles jueves viernes sábado domingo",
    "it": "lunedì martedì mercoledì giovedì venerdì sabato domenica",
    "pt": "segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo",
    "nl": "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag",
    "sv": "måndag tisdag onsdag torsdag fredag lördag söndag",
    "da": "mandag tirsdag onsdag torsdag fredag lørdag søndag",
    "no": "mandag tirsdag onsdag torsdag fredag lørdag søndag",
    "fi": "maanantaina tiistaina keskiviikkona torstaina perjantaina lauantaina sunnuntaina",
    "pl": "poniedziałek wtorek środa czwartek piątek sobota niedziela",
    "cs": "pondělí úterý středa čtvrtek pátek sobota neděle",
    "sk": "pondelok utorok streda štvrtok piatok sobota nedeľa",
    "hu": "hétfő kedd szerda csütörtök péntek szombat vasárnap",
    "ro": "luni marți miercuri joi vineri sâmbătă duminică",
    "hr": "ponedjeljak utorak srijeda četvrtak petak subota nedjelja",
    "sl": "ponedeljek torek sreda četrtek petek sobota nedelja",
    "tr": "Pazartesi Salı Çarşamba Perşembe Cuma Cumartesi Pazar",
    "ca": "dilluns dimarts dimecres dijous divendres dissabte diumenge",
    "et": "esmaspäev teisipäev kolmapäev neljapäev reede laupäev pühapäev",
    "ru": "понедельник вторник среда четверг пятница суббота воскресенье",
    "uk": "понеділок вівторок середа четвер пʼятниця субота неділя",
    "el": "Δευτέρα Τρίτη Τετάρτη Πέμπτη Παρασκευή Σάββατο Κυριακή",
}
_SHORT = {
    "en": "Mon Tue Wed Thu Fri Sat Sun",
    "de": "Mo Di Mi Do Fr Sa So",
    "fr": "lun mar mer jeu ven sam dim",
    "es": "lun mar mié jue vie sáb dom",
    "it": "lun mar mer gio ven sab dom",
    "pt": "seg ter qua qui sex sáb dom",
    "nl": "ma di wo do vr za zo",
    "sv": "mån tis ons tors fre lör sön",
    "da": "man tirs ons tors fre lør søn",
    "no": "man tir ons tor fre lør søn",
    "fi": "ma ti ke to pe la su",
    "pl": "pon wt śr czw pt sob niedz",
    "cs": "po út st čt pá so ne",
    "sk": "po ut st št pi so ne",
    "hu": "H K Sze Cs P Szo V",
    "ro": "lun mar mie joi vin sâm dum",
    "hr": "pon uto sri čet pet sub ned",
    "sl": "pon tor sre čet pet sob ned",
    "tr": "Pzt Sal Çar Per Cum Cmt Paz",
    "ca": "dl dt dc dj dv ds dg",
    "et": "E T K N R L P",
    "ru": "пн вт ср чт пт сб вс",
    "uk": "пн вт ср чт пт сб нд",
    "el": "Δευ Τρί Τετ Πέμ Παρ Σάβ Κυρ",
}


@cache
def weekday_names(language: str, length: str) -> tuple[str, ...]:
    """Return seven names, Monday first; length: "long" or "short"."""
    return tuple((_LONG if length == "long" else _SHORT)[language].split())
