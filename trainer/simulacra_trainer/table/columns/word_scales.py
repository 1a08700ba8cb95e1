"""Lists of words in order: frequencies, amounts, marks, sizes, weekdays, months."""

from __future__ import annotations

import re

from simulacra_schema.month_names import LANGUAGES, month_names

SCALES = """
strongly disagree | disagree | somewhat disagree, slightly disagree |
  neither agree nor disagree, neutral, neither, undecided | somewhat agree, slightly agree |
  agree | strongly agree
very dissatisfied | dissatisfied | somewhat dissatisfied |
  neither satisfied nor dissatisfied, neutral, neither | somewhat satisfied | satisfied |
  very satisfied
very unlikely | unlikely | somewhat unlikely | neutral, neither likely nor unlikely |
  somewhat likely | likely | very likely
not at all important | not important, unimportant | slightly important | somewhat important |
  moderately important | important | very important | extremely important
not at all | not very much, a little, slightly | somewhat | moderately |
  quite a bit, very much | extremely
never | rarely | seldom | occasionally | sometimes | often | frequently | usually, mostly |
  always
never | less than monthly | yearly, annually | quarterly | monthly | weekly | daily
very poor, terrible | poor, bad | below average | fair, average, ok, neutral | above average |
  good | very good | excellent
none | very low | low | medium, moderate, middle, normal | high | very high
very bad | bad | fair, neutral | good | very good
not too happy, unhappy | pretty happy, happy | very happy
extra small, xs | small, s | medium, m | large, l | extra large, xl | xxl | xxxl
worst | worse | same, the same | better | best
beginner | intermediate | advanced | expert
bronze | silver | gold | platinum | diamond
bronze | silber | gold | platin | diamant
bronze | argent | or | platine | diamant
bronce | plata | oro | platino | diamante
bronzo | argento | oro | platino | diamante
bronze | prata | ouro | platina | diamante
brons | zilver, silver | goud, guld | platina | diamant
bronze | sølv | guld, gull | platin, platina | diamant
pronssi | hopea | kulta | platina
brąz, brązowy | srebro, srebrny | złoto, złoty | platyna, platynowy
bronz, bronzový | stříbro, stříbrný | zlato, zlatý | platina, platinový
first, 1st | second, 2nd | third, 3rd | fourth, 4th | fifth, 5th | sixth, 6th
january, jan | february, feb | march, mar | april, apr | may | june, jun | july, jul |
  august, aug | september, sep, sept | october, oct | november, nov | december, dec
monday, mon | tuesday, tue, tues | wednesday, wed | thursday, thu, thur, thurs | friday, fri |
  saturday, sat | sunday, sun
no schooling, no formal education, none | preschool |
  primary, primary school, elementary, elementary school |
  secondary, lower secondary, middle school | less than high school | some high school |
  high school, upper secondary, high school graduate | some college |
  associate, associate degree |
  bachelor, bachelors, bachelor's, bachelor's degree, college graduate, undergraduate |
  master, masters, master's, master's degree, graduate, postgraduate |
  doctorate, phd, doctoral degree
nie | fast nie | selten | gelegentlich, ab und zu | manchmal | öfter | oft, häufig | sehr oft,
  sehr häufig | meistens, meist | fast immer | immer
jamais | presque jamais | rarement | occasionnellement | parfois, quelquefois | souvent |
  très souvent | presque toujours, la plupart du temps | toujours
nunca | casi nunca | rara vez, raramente, pocas veces | ocasionalmente | a veces, algunas veces |
  a menudo, frecuentemente, con frecuencia | muchas veces | casi siempre | siempre
mai | quasi mai | raramente, di rado | occasionalmente | a volte, qualche volta, talvolta |
  spesso | molto spesso | quasi sempre | sempre
nunca | quase nunca | raramente | ocasionalmente | às vezes, por vezes, algumas vezes |
  muitas vezes, frequentemente, com frequência | quase sempre | sempre
nooit | bijna nooit | zelden | af en toe | soms | vaak | heel vaak, zeer vaak |
  meestal, bijna altijd | altijd
aldrig | nästan aldrig | sällan | ibland | ofta | mycket ofta | nästan alltid, oftast | alltid
aldrig | næsten aldrig | sjældent | af og til, lejlighedsvis | nogle gange, sommetider | ofte, tit |
  meget ofte | næsten altid, som regel | altid
aldri | nesten aldri | sjelden | av og til, iblant | noen ganger | ofte | svært ofte |
  nesten alltid, som regel | alltid
ei koskaan | tuskin koskaan, hyvin harvoin | harvoin | silloin tällöin | joskus | usein |
  hyvin usein | lähes aina, yleensä | aina
nigdy | prawie nigdy | rzadko | od czasu do czasu | czasami, czasem | często | bardzo często |
  prawie zawsze, zwykle | zawsze
nikdy | téměř nikdy, skoro nikdy | zřídka, málokdy | občas | někdy | často | velmi často |
  téměř vždy, většinou | vždy
soha | szinte soha | ritkán | alkalmanként | néha, időnként | gyakran | nagyon gyakran |
  szinte mindig, általában | mindig
niciodată | aproape niciodată | rar, rareori | uneori, câteodată | des, adesea, frecvent |
  aproape întotdeauna | întotdeauna, mereu
hiçbir zaman, asla | nadiren | ara sıra | bazen | sık sık, sıklıkla | çoğunlukla, genellikle |
  her zaman
никогда | редко | иногда | часто | всегда
never | a few times a year, less than once a month | once a month, monthly |
  several times a month | once a week, weekly | several times a week, a few times a week |
  daily, every day, almost every day | several times a day
nie | jährlich | seltener, seltener als monatlich, fast nie, selten | monatlich, einmal im monat |
  mehrmals im monat | wöchentlich, einmal pro woche | mehrmals pro woche, mehrmals die woche |
  täglich, jeden tag | mehrmals täglich
jamais | moins souvent, rarement, une fois par an, presque jamais | quelques fois par an |
  une fois par mois, chaque mois, une à deux fois par mois, une ou deux fois par mois,
  environ une fois par mois | plusieurs fois par mois, deux à trois fois par mois |
  une fois par semaine, chaque semaine, une à deux fois par semaine, environ une fois par semaine |
  plusieurs fois par semaine |
  tous les jours, chaque jour, tous les jours ou presque, presque tous les jours
nunca | con menos frecuencia, menos a menudo, una vez al año, casi nunca | varias veces al año |
  una vez al mes | varias veces al mes | una vez a la semana |
  varias veces a la semana | todos los días, a diario
never | less often, less frequently, almost never, rarely, hardly ever |
  once a month, monthly, at least once a month |
  once a week, weekly, at least once a week | several times a week | daily, every day
mai | più raramente, meno spesso, qualche volta all'anno, quasi mai, raramente | una volta al mese |
  qualche volta al mese | una volta a settimana, una volta alla settimana |
  più volte a settimana, qualche volta a settimana | ogni giorno, tutti i giorni
nunca | menos frequentemente, com menos frequência, quase nunca, raramente |
  uma vez por mês | várias vezes por mês |
  uma vez por semana | várias vezes por semana | todos os dias, diariamente
nooit | minder vaak, enkele keren per jaar | maandelijks, één keer per maand |
  enkele keren per maand, meerdere keren per maand | wekelijks, één keer per week |
  enkele keren per week, meerdere keren per week | dagelijks, elke dag
aldrig | mer sällan | någon gång i månaden | någon gång i veckan | flera gånger i veckan |
  dagligen, varje dag
nigdy | rzadziej, kilka razy w roku | raz w miesiącu | kilka razy w miesiącu | raz w tygodniu |
  kilka razy w tygodniu | codziennie
nikdy | méně často | jednou za měsíc | jednou týdně | několikrát týdně | denně, každý den
nedostatečně, nedostatečný | dostatečně, dostatečný | dobře, dobrý | chvalitebně, chvalitebný |
  výborně, výborný
niedostateczny | dopuszczający | dostateczny | dobry | bardzo dobry | celujący
elégtelen | elégséges | közepes | jó | jeles
underkänd | godkänd | väl godkänd
detractor, detractors | passive, passives, neutral | promoter, promoters
detractor, detractores | pasivo, pasivos, neutro | promotor, promotores
mangelhaft, ungenügend | ausreichend | befriedigend | gut | sehr gut
ungenügend | mangelhaft | ausreichend | befriedigend | gut | sehr gut
insuffisant | passable | assez bien | bien | très bien | excellent
insuficiente, suspenso | suficiente, aprobado | bien | notable | sobresaliente
insufficiente | sufficiente | discreto | buono | distinto | ottimo
onvoldoende | matig | voldoende | ruim voldoende | goed | zeer goed | uitstekend
sehr niedrig | niedrig, gering | mittel, mittelmäßig | hoch | sehr hoch
très faible | faible, bas | moyen, moyenne | élevé, fort, haut | très élevé
muy bajo, muy baja | bajo, baja | medio, media | alto, alta | muy alto, muy alta
molto basso | basso, bassa | medio, media | alto, alta | molto alto
muito baixo, muito baixa | baixo, baixa | médio, média | alto, alta | muito alto, muito alta
zeer laag | laag | gemiddeld, midden | hoog | zeer hoog
mycket låg | låg | medel, mellan | hög | mycket hög
meget lav | lav | middel, mellem, middels | høj, høy | meget høj
bardzo niski | niski, niska | średni, średnia | wysoki, wysoka | bardzo wysoki
velmi nízký | nízký, nízká | střední | vysoký, vysoká | velmi vysoký
alacsony | közepes | magas
düşük | orta | yüksek
schlechter | gleich, gleich geblieben, unverändert | besser
klein | mittel | groß
petit | moyen | grand
pequeño | mediano | grande
slecht | matig | redelijk | goed | zeer goed, uitstekend
zeer slecht, heel slecht | slecht | matig, redelijk, gemiddeld | goed | uitstekend
katastrophal, miserabel | schlecht | mittelmäßig, mittel, geht so, durchschnittlich | gut |
  sehr gut | hervorragend, ausgezeichnet, exzellent
très mauvais, très mauvaise, nul, nulle | mauvais, mauvaise | moyen, moyenne, passable |
  bon, bonne | très bon, très bonne | excellent, excellente
pésimo, pésima | malo, mala, mal | regular | bueno, buena, bien | muy bueno, muy buena, muy bien |
  excelente
pessimo, pessima | cattivo, cattiva, scarso, scarsa | mediocre | discreto, discreta, così così,
  sufficiente | buono, buona | molto buono, molto buona | ottimo, ottima, eccellente
péssimo, péssima | ruim, má, mau | regular, razoável | bom, boa | muito bom, muito boa |
  ótimo, ótima, excelente, óptimo, óptima
uselt, usel, uruselt | dåligt, dålig | medel, okej, acceptabelt, acceptabel | bra | mycket bra |
  utmärkt
elendigt, elendig | dårligt, dårlig | middel, middelmådigt, okay | godt, god | meget godt,
  meget god | fremragende
elendig | dårlig | middels, ok | bra, god | svært bra, meget bra, svært god | utmerket
surkea | huono | kohtalainen, keskinkertainen | hyvä | erittäin hyvä | erinomainen
fatalny, fatalna, fatalnie | zły, zła, źle | przeciętny, przeciętna, przeciętnie | dobry, dobra,
  dobrze | bardzo dobry, bardzo dobra, bardzo dobrze | doskonały, doskonała, doskonale, znakomity
příšerný, hrozný, hrozné | špatný, špatná, špatné | průměrný, průměrná, průměrné | dobrý, dobrá,
  dobré | velmi dobrý, velmi dobrá, velmi dobré | výborný, výborná, výborné, vynikající
hrozný, hrozné | zlý, zlá, zlé | priemerný, priemerná, priemerné | dobrý, dobrá, dobré |
  veľmi dobrý, veľmi dobrá, veľmi dobré | výborný, výborná, výborné, vynikajúci
borzalmas, szörnyű | rossz | közepes, átlagos, elfogadható | jó | nagyon jó | kiváló, kitűnő
îngrozitor, foarte slab | slab, slabă, rău | mediocru, acceptabil, satisfăcător | bun, bună, bine |
  foarte bun, foarte bună, foarte bine | excelent, excelentă
berbat, çok kötü | kötü | orta, idare eder, vasat | iyi | çok iyi | mükemmel, harika
ужасно | плохо | удовлетворительно, нормально, средне | хорошо | очень хорошо | отлично
жахливо | погано | задовільно, нормально, середньо | добре | дуже добре | відмінно, чудово
απαράδεκτο, απαράδεκτη, πολύ κακό | κακό, κακή, κακός | μέτριο, μέτρια, μέτριος |
  καλό, καλή, καλός |
  πολύ καλό, πολύ καλή, πολύ καλός | άριστο, άριστη, εξαιρετικό, εξαιρετική
ужасно | лошо | средно, задоволително | добро, добре | много добро, много добре | отлично
užasno, vrlo loše | loše, loš | osrednje, prosječno, srednje | dobro, dobar |
  vrlo dobro, vrlo dobar |
  odlično, odličan, izvrsno
سيء جدا, سيئ جدا, سيئ جداً | سيء, سيئ | مقبول, متوسط | جيد | جيد جدا, جيد جداً | ممتاز
גרוע מאוד | גרוע, רע | בינוני, סביר | טוב | טוב מאוד | מצוין, מצויין
最悪 | 悪い | 普通, ふつう | 良い, よい | とても良い, 大変良い | 最高, 優れている
매우 나쁨, 최악 | 나쁨 | 보통 | 좋음 | 매우 좋음 | 최고, 훌륭함
很差, 非常差, 极差 | 差, 较差 | 一般, 中等 | 好, 较好, 良好 | 很好, 非常好 | 优秀, 极好
montag, mo | dienstag, di | mittwoch, mi | donnerstag, do | freitag, fr | samstag, sonnabend, sa |
  sonntag, so
lundi | mardi | mercredi | jeudi | vendredi | samedi | dimanche
lunes | martes | miércoles | jueves | viernes | sábado | domingo
lunedì | martedì | mercoledì | giovedì | venerdì | sabato | domenica
segunda-feira, segunda | terça-feira, terça | quarta-feira, quarta | quinta-feira, quinta |
  sexta-feira, sexta | sábado | domingo
maandag, ma | dinsdag, di | woensdag, wo | donderdag, do | vrijdag, vr | zaterdag, za | zondag, zo
måndag | tisdag | onsdag | torsdag | fredag | lördag | söndag
mandag | tirsdag | onsdag | torsdag | fredag | lørdag | søndag
maanantai | tiistai | keskiviikko | torstai | perjantai | lauantai | sunnuntai
poniedziałek | wtorek | środa | czwartek | piątek | sobota | niedziela
pondělí | úterý | středa | čtvrtek | pátek | sobota | neděle
hétfő | kedd | szerda | csütörtök | péntek | szombat | vasárnap
luni | marți | miercuri | joi | vineri | sâmbătă | duminică
pazartesi | salı | çarşamba | perşembe | cuma | cumartesi | pazar
ποτέ | σπάνια | μερικές φορές, ενίοτε, πότε πότε | συχνά | πολύ συχνά | πάντα, πάντοτε
ніколи | рідко | іноді | часто | завжди
никога | рядко | понякога | често | винаги
nikada | rijetko, retko | ponekad | često | uvijek, uvek
أبدا, أبداً | نادرا, نادراً | أحيانا, أحياناً | غالبا, غالباً | دائما, دائماً
אף פעם, אף פעם לא | לעיתים רחוקות | לפעמים | לעיתים קרובות | תמיד
전혀, 전혀 안 함, 전혀 없음 | 거의, 거의 안 함, 거의 없음 | 가끔, 가끔씩 | 자주 | 항상, 매번
매우 불만족, 매우 불만, 매우 불만족함 | 불만족, 불만, 불만족함 | 보통, 보통이다 | 만족, 만족함 |
  매우 만족, 매우 만족함
전혀 그렇지 않다, 매우 그렇지 않다 | 그렇지 않다, 별로 그렇지 않다, 그렇지 않은 편이다 |
  보통이다, 보통 | 그렇다, 그런 편이다 | 매우 그렇다, 정말 그렇다
전혀 동의하지 않음, 매우 동의하지 않음 | 동의하지 않음 | 보통, 중립 | 동의함, 동의 |
  매우 동의함, 매우 동의
매우 나쁨 | 나쁨 | 보통 | 좋음 | 매우 좋음
全くない, まったくない | ほとんどない, めったにない | たまに, たまにある | 時々, ときどき |
  よく, よくある, しばしば | いつも, 常に
とても不満, 非常に不満, 大変不満 | 不満 | やや不満, どちらかといえば不満 |
  どちらともいえない, どちらとも言えない, 普通, ふつう | やや満足, どちらかといえば満足 |
  満足 | とても満足, 非常に満足, 大変満足
全くそう思わない, まったくそう思わない | そう思わない | あまりそう思わない, ややそう思わない |
  どちらともいえない, どちらとも言えない | ややそう思う, まあそう思う | そう思う |
  とてもそう思う, 非常にそう思う, 強くそう思う
全くあてはまらない, 全く当てはまらない, まったくあてはまらない | あてはまらない, 当てはまらない |
  あまりあてはまらない, あまり当てはまらない | どちらともいえない, どちらとも言えない |
  ややあてはまる, やや当てはまる | あてはまる, 当てはまる |
  とてもあてはまる, とても当てはまる, 非常にあてはまる, 非常に当てはまる
とても悪い | 悪い | 普通, ふつう | 良い, よい | とても良い, とてもよい
非常不满意, 很不满意 | 不满意 | 比较不满意 | 一般, 中立 | 比较满意 | 满意 | 非常满意, 很满意
非常不同意, 完全不同意 | 不同意 | 比较不同意 | 中立, 一般, 不确定 |
  比较同意 | 同意 | 非常同意, 完全同意
从不, 从来没有 | 很少 | 偶尔 | 有时 | 经常 | 总是
q1 | q2 | q3 | q4
freshman | sophomore | junior | senior
no, none | little, very little, a little | some | much, a lot, a lot of, lots of
far too little, much too little | too little, a bit too little |
  about right, just right, the right amount | too much, a bit too much | far too much, much too much
viel zu wenig | zu wenig, etwas zu wenig | genau richtig, gerade richtig, richtig |
  zu viel, etwas zu viel | viel zu viel
beaucoup moins | moins, un peu moins | autant, pareil | plus, un peu plus | beaucoup plus
egyáltalán nem értek egyet | nem értek egyet | inkább nem értek egyet | is-is, is is, semleges |
  inkább egyetértek | egyetértek | teljesen egyetértek, teljes mértékben egyetértek
очень плохо | плохо | удовлетворительно, нормально, средне | хорошо | очень хорошо, отлично
primary, primary education | lower secondary | upper secondary, secondary | post-secondary |
  tertiary, higher education
kein abschluss, ohne abschluss, kein schulabschluss | hauptschule, hauptschulabschluss |
  mittlere reife, realschule, realschulabschluss | fachhochschulreife |
  abitur, hochschulreife, matura | hochschulabschluss, hochschule, studium, universität | promotion
sans diplôme, aucun diplôme | brevet | cap/bep, cap, bep | bac, baccalauréat | bac+2 |
  bac+3, licence | bac+5, master | doctorat
sin estudios | primaria, educación primaria, estudios primarios |
  secundaria, educación secundaria, estudios secundarios | bachillerato |
  universitaria, universitarios, universidad, estudios universitarios | máster, posgrado | doctorado
licenza elementare | licenza media | diploma, diploma superiore | laurea | dottorato, post-laurea
sem escolaridade | ensino fundamental, ensino básico, fundamental |
  ensino médio, ensino secundário, médio | ensino superior, superior, licenciatura |
  pós-graduação, mestrado | doutoramento, doutorado
podstawowe | zawodowe, zasadnicze zawodowe | średnie | wyższe
základní | střední bez maturity, vyučen | střední s maturitou | vysokoškolské
grundskola | gymnasium | eftergymnasial | högskola, universitet, högskola/universitet
styczeń | luty | marzec | kwiecień | maj | czerwiec | lipiec | sierpień | wrzesień | październik |
  listopad | grudzień
leden | únor | březen | duben | květen | červen | červenec | srpen | září | říjen | listopad |
  prosinec
tammikuu | helmikuu | maaliskuu | huhtikuu | toukokuu | kesäkuu | heinäkuu | elokuu | syyskuu |
  lokakuu | marraskuu | joulukuu
"""
"""One word scale a line (indented lines continue it): levels by |, spellings by commas."""


def read_scales(text: str) -> tuple[dict[str, int], ...]:
    """Return the rank of each spelling, one table a scale of a text like SCALES."""
    return tuple(
        {
            word.strip(): rank
            for rank, words in enumerate(scale.split("|"))
            for word in words.split(",")
        }
        for scale in re.split(r"\n(?! )", text.strip())
    )


RANKS = read_scales(SCALES) + tuple(
    {name.lower(): place for place, name in enumerate(month_names(language, length))}
    for language in LANGUAGES
    for length in ("long", "short")
)
"""Rank of each spelling, one table a scale; months of 24 languages at the end."""
