"""Words of how often, how long ago and how long, in 17 languages, as regular expressions."""

UNITS: tuple[tuple[float, str], ...] = (
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
        r"|settiman\w+|we?ek(?!end)\w{0,3}|wekelijks|veck\w+|uger?|ugentlig\w*|uken?|uker|ukentlig"
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
NEVER = (
    "never|not at all|nie|niemals|gar nicht|noch nie|jamais|nunca|jamás|mai|nooit|aldrig|aldri"
    "|en koskaan|ei koskaan|nigdy|wcale|nikdy|vůbec|soha|egyáltalán nem|hiç|hiçbir zaman|asla"
    "|никогда|ποτέ|niciodată|never bought|never used"
)
RARELY = (
    "less often|less frequently|rarely|seldom|hardly ever|almost never|seltener|selten|fast nie"
    "|moins souvent|rarement|presque jamais|menos a menudo|con menos frecuencia|rara vez|casi nunca"
    "|più raramente|raramente|meno spesso|quasi mai|menos frequentemente|quase nunca"
    "|com menos frequência|minder vaak|zelden|mer sällan|sällan|sjeldnere|sjældnere|sjælden|sjelden"
    "|harvemmin|rzadziej|rzadko|méně často|zřídka|ritkábban|ritkán|daha az|daha seyrek|nadiren"
    "|реже|редко|σπάνια|σπανιότερα|mai rar|rar"
)
LONGER = (
    "longer ago|longer|more than that|länger her|länger|vor längerer zeit|plus longtemps"
    r"|il y a plus longtemps|hace más(?: tiempo)?|più tempo fa|há mais tempo|langer geleden|längre"
    "|längre sedan|længere siden|lenger siden|aiemmin|kauemmin|dawniej|wcześniej|dříve|régebben"
    "|daha önce|раньше|давно|παλαιότερα|mai demult"
)
TODAY = {
    "today": 0.2, "yesterday": 1.2, "heute": 0.2, "gestern": 1.2, "aujourd'hui": 0.2, "hier": 1.2,
    "hoy": 0.2, "ayer": 1.2, "oggi": 0.2, "ieri": 1.2, "hoje": 0.2, "ontem": 1.2, "vandaag": 0.2,
    "gisteren": 1.2, "idag": 0.2, "i dag": 0.2, "igår": 1.2, "i går": 1.2, "dzisiaj": 0.2,
    "wczoraj": 1.2, "dnes": 0.2, "včera": 1.2, "ma": 0.2, "tegnap": 1.2,
}  # fmt: skip
SEVERAL = (
    "several|multiple|a few|few|many|mehrmals|mehrere|ein paar|einige|plusieurs|quelques|varias"
    "|algunas|más|più|alcune|qualche|várias|algumas|enkele|meerdere|paar|flera|några|flere|nogle|noen"
    "|useita|muutaman|useamman|kilka|parę|několik\\w*|többször|néhány\\w*|birkaç|несколько|μερικές"
    "|αρκετές|de câteva|câteva|mai multe"
)
NUMBERS = {
    1: "once|one|einmal|ein|eine\\w?|une|una|uma|un|uno|één|eens|en gång|en gang|kerran|raz|jednou"
    "|egyszer|bir|один|раз|μία|o dată",
    2: "twice|two|zweimal|zwei|deux|dos|due|duas|dois|twee|två|to|kaksi|kahdesti|dwa|dwie|dvakrát"
    "|dva|kétszer|két|iki|два|δύο|două|biweekly|fortnight",
    3: "three|dreimal|drei|trois|tres|tre|três|drie|kolme|trzy|třikrát|tři|háromszor|három|üç|три",
}
LESS = (
    "less than|fewer than|less|seltener als|seltener|weniger als|moins de|moins d'une?|moins qu\\w*"
    "|menos de|menos que|meno di|minder dan|mindre än|mindre enn|mindre end|sjeldnere enn"
    "|harvemmin kuin|rzadziej niż|mniej niż|méně než|ritkábban mint|kevesebb mint|реже|менее"
    "|λιγότερο από|mai puțin de|mai rar de|mer sällan än|sjældnere end"
)
MORE = (
    "more than|over|or more|more often|at least|öfter als|mehr als|mindestens"
    "|oder öfter|oder häufiger|länger als|plus de|plus d'une?|au moins|ou plus|más de|al menos"
    "|o más|più di|almeno|o più|mais de|pelo menos|ou mais|meer dan|minstens|of vaker|mer än"
    "|minst|mer enn|mere end|eller oftere|eller oftare|vähintään|yli|więcej niż|ponad"
    "|lub częściej|co najmniej"
    "|více než|alespoň|nebo častěji|vagy gyakrabban|legalább|több mint|ya da daha fazla|чаще"
    "|более|или чаще|πάνω από|mai mult de|cel puțin"
)
TIMES = (
    "once|twice|times?|mal|einmal|zweimal|fois|vez|veces|volta|volte|keer|gånger|gång|gange|ganger"
    "|gang|kertaa|kerran|raz|razy|krát|jednou|alkalommal|egyszer|kez|kere|раз|раза|φορά|φορές|ori"
)
EVERY = "every|alle|tous les|toutes les|cada|ogni|a cada|om de|elke|var|hver|joka|co|každ\\w+|her"
AGO = (
    r"ago|past|last|within|previous|vor|letzt\w*|vergangen\w*|innerhalb|il y a|derni\w+|cours des?"
    r"|hace|últim\w+|ultim\w+|scors\w+|fa|há|passad\w+|geleden|afgelopen|laatste|senast\w*|sedan"
    r"|siden|siste|sidste|sitten|viime\w*|ostatni\w*|temu|posledn\w+|před|elmúlt|ezelőtt|önce|son"
    r"|назад|последн\w+|прошл\w+|πριν|τελευταί\w+|acum|în urmă"
)
WORDS = {
    "never": NEVER, "rarely": RARELY, "longer": LONGER, "several": SEVERAL, "less": LESS,
    "more": MORE, "every": EVERY, "times": TIMES, "ago": AGO,
}  # fmt: skip
FILLERS = frozenset(
    """
    almost nearly around between approximately presque environ zwischen ungefähr höchstens
    aproximadamente ongeveer tussen mellan mellem między prawie około téměř między maximaal
    """.split()  # noqa: SIM905
)
