"""Words that leave little doubt that somebody is in danger, in Chinese and a few in English: a net beside the encoder.

A rule must be right nearly always, for alone it makes a crisis; what it does not catch is the encoder's to judge, and
nothing here makes a message harmless. Look-alikes are kept out by what stands around the words: 想死你了, a film, a
game, "not", somebody else. Not here: what is answered (`samantha.mind.safety`).
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from samantha.core.types import Level
from samantha.mind.care import Situation


def level_of_words(text: str) -> Level | None:
    """The level "crisis" where the words alone show one; None where they show nothing."""
    return "crisis" if situation_of_words(text) else None


def situation_of_words(text: str) -> Situation | None:
    """What a crisis that the words alone show is about: the most pressing where they show several."""
    found = {
        _of_whom(rule.situation, sentence[: match.start()])
        for sentence, since in _sentences(text)
        if _TRIGGER.search(sentence) and not _FICTION.search(sentence) and not _is_past(sentence)
        for rule in _RULES
        for match in rule.matches(sentence)
        if match.start() >= since and not _DENIED.search(sentence[: match.start()])
    }
    return next((situation for situation in _PRESSING if situation in found), None)


def hints_of_words(text: str) -> frozenset[Situation]:
    """What a crisis that is known from elsewhere may be about. These words alone mean nothing."""
    plain = _plain(text)
    return frozenset(situation for situation, pattern in _HINTS if pattern.search(plain))


_PRESSING: tuple[Situation, ...] = (
    "attempt",
    "minors",
    "violence",
    "abuse",
    "self_harm",
    "eating_disorder",
    "other",
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern within one sentence that does not hold `unless` and, where there is one, holds `needs`."""

    situation: Situation
    pattern: re.Pattern[str]
    unless: re.Pattern[str] | None
    needs: re.Pattern[str] | None

    def matches(self, sentence: str) -> Iterator[re.Match[str]]:
        if (self.unless and self.unless.search(sentence)) or (self.needs and not self.needs.search(sentence)):
            return iter(())
        return self.pattern.finditer(sentence)


def _rule(situation: Situation, pattern: str, *, unless: str = "", needs: str = "") -> Rule:
    return Rule(
        situation,
        re.compile(pattern),
        re.compile(unless) if unless else None,
        re.compile(needs) if needs else None,
    )


def _any(alternatives: str) -> str:
    """A group of alternatives that stand apart by white space; `_` is a space within one."""
    return "(?:" + "|".join(alternatives.split()).replace("_", " ") + ")"


def _word(alternatives: str) -> str:
    return rf"(?<![a-z]){_any(alternatives)}(?![a-z])"  # not \b, for Chinese characters are letters too


# How people write: in other characters, with signs between them, without a stop.

_TRADITIONAL = str.maketrans(
    "殺輕結斷盡藥樓橋遺書寫這個們來媽爸爺兒員學師對說話發現還沒樣過後剛幾顆條離開覺傷體臺燒難講讓給會準決計畫"
    "復親嗎麼裡裏總從點間門鎖關餓減頭暈壓鄰遊戲電視劇優詞夢",
    "杀轻结断尽药楼桥遗书写这个们来妈爸爷儿员学师对说话发现还没样过后刚几颗条离开觉伤体台烧难讲让给会准决计划"
    "复亲吗么里里总从点间门锁关饿减头晕压邻游戏电视剧优词梦",
)
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_TORN = re.compile(r"(自|想|割|跳|轻|去)[\s·.*\-~/|]{1,2}(杀|死|腕|楼|生)")
_SENTENCE = re.compile(r"[。！？!?；;\n…]+|\.(?=\s|$)")
_WINDOW, _STEP, _BEFORE = 400, 200, 60  # characters; a match may need those before it, and reaches 140 beyond


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).lower().replace("’", "'")
    return _TORN.sub(r"\1\2", folded.translate(_TRADITIONAL))


def _sentences(text: str) -> Iterator[tuple[str, int]]:
    """The sentences, and from where on each is to be read: one that does not end comes in windows that overlap."""
    for sentence in _SENTENCE.split(_plain(text)):
        yield sentence[:_WINDOW], 0
        for start in range(_STEP, len(sentence) - _BEFORE, _STEP):
            yield sentence[start : start + _WINDOW], _BEFORE


# What turns the meaning of the words around.

_FICTION = re.compile(
    _any("""
        电影 影片 电视剧 这部剧 剧情 剧里 剧中 小说 主角 男主 女主 角色 反派 番剧 动漫 漫画 歌词 这首歌 综艺
        纪录片 新闻 报道 历史 课文 作文 论文 讲座 文章 剧本 游戏 副本 排位 队友 王者 吃鸡 狼人杀 密室 段子 表情包
        梦见 梦到 做梦 统计 研究 典故 成语 翻译 怎么读 什么意思
    """)
    + "|"
    + _word("""
        movies? films? novels? books? songs? lyrics characters? games? boss episodes? tv series essay research
        statistics article news plot dream dreamed dreamt history quote translate
    """)
)
_DENIED = re.compile(
    _any("""
        不 (?<!有)没 (?<!有)没有 从没 从没有 从来没 从来没有 并没 并没有 不是 不会 不敢 不再 别 不要 不可能 不至于
        不用 不必 谁 何必 难道 怎么会 怎么可能 哪会 干嘛 以为我 怕我 担心我 劝我别
    """)
    + r"(?:真的?|是|会|有|要|去|再|过|什么)?\s?$|"
    + _word("not [a-z]+n't never no_longer stopped used_to thinks? worried afraid")
    + r"[\w' ]{0,14}$"
)
_PAST = re.compile(
    _any("去年 前年 以前 当年 曾经 小时候 年前 那时 那几年 那会儿 初中")
    + "|"
    + _word("years?_ago long_time_ago used_to back_then back_when last_year when_i_was")
)
_NOW = re.compile(_any("现在 今天 今晚 又 最近 刚 还是") + "|" + _word("now again still today tonight lately"))
_JOKE = (
    _any("""
        哈哈 呵呵 hhh 233 笑死 狗头 doge 滑稽 [😂🤣😆😜🤪]
        作业 考试 期末 早八 上班 加班 开会 周一 ddl 甲方 需求 bug 代码 高数 体测 军训 跑步 健身 减肥 奶茶 外卖 火锅
        空调 手机 网速 股票 基金 彩票 老板 领导 同事 热 冷 困 饿 馋 尴尬 社死 丢人 无语 无聊
        得想死 到想死 的想死 想死的心
    """)
    + "|"
    + _word("""
        lol lmao haha\\w* xd jk kidding embarrass\\w* cringe homework exams? meetings? monday deadline traffic boss
    """)
)

_FRIEND = _any("""
    朋友 闺蜜 室友 舍友 同学 哥们 兄弟 姐妹 姐姐 妹妹 弟弟 哥哥 女儿 儿子 孩子 老公 老婆 丈夫 妻子 男朋友 女朋友 男友
    女友 对象 前任 妈妈 爸爸 老妈 老爸 我妈 我爸 爷爷 奶奶 学生 同事 网友 邻居 表妹 表姐 表弟 表哥
""")
_SUBJECT = re.compile(
    rf"(?P<close>我?(?:的|那个|一个)?{_FRIEND}|他们?|她们?|"
    r"\b(?:she|he|they|my \w+) (?:said|says|told me|texted|keeps? saying))|"
    r"(?P<self>我|俺|本人)|"
    r"(?P<far>有人|人们|别人|大家|为什么会|你|您|它|明星|网红|作家|诗人|演员|鲸|鱼|细胞)"
)
_ADDRESSED = re.compile(r"(?:跟|和|对|向|告诉|谢谢|求|拜托|骗|给)(?:你|他|她|您|大家|别人|朋友|家人|妈妈|爸爸)们?")


def _is_past(sentence: str) -> bool:
    return bool(_PAST.search(sentence)) and not _NOW.search(sentence)


def _of_whom(situation: Situation, before: str) -> Situation | None:
    """The situation, seen from the last person who is named before the words; None where that is nobody near."""
    if situation not in ("self_harm", "attempt", "eating_disorder"):
        return situation
    who = None
    for found in _SUBJECT.finditer(_ADDRESSED.sub("", before)):
        who = found.lastgroup
    if who == "close":
        return "other"
    return None if who == "far" else situation


# Parts of the rules.

_END = r"(?=$|[\s,、.~:\"')]|[啊呀啦呜吧]|了(?:$|[\s,.~]))"
_WISH = (
    _any("想 想着 要 打算 准备 准备好 决定 计划 考虑 试图 尝试 试过 忍不住 满脑子是 满脑子都是 一心")
    + _any("要 去 过 了 着 通过 直接 干脆 现在 今晚 明天 马上 真的 怎么 就这样 再")
    + "{0,3}"
)
_SUICIDE = _any("""
    自杀(?![式率者性]|森林|热线|干预|未遂|小队|倾向|预防|现场|的人) 轻生 自尽 自我了断 寻死 寻短见 自鲨
    紫砂(?![壶杯茶泥锅器陶]) 了结自己 了结生命 了结这条命 结束自己 结束我的生命 结束生命 杀了自己 杀死自己 弄死自己
""")
_CHILD = _any("孩子 小孩 娃 宝宝 婴儿 女儿 儿子 学生")
_CHILD_EN = "(?:the|his|her|their|our|my) (?:little |own |baby )?" + _any(
    "kids? child children baby son daughter boy girl"
)
_HE = _any("他 她 老公 丈夫 老婆 男朋友 男友 我爸 爸爸 继父 我妈 妈妈 前任 前夫 对象 室友")
_HE_EN = r"(?:he|she|my (?:\w+ )?" + _any("husband wife boyfriend girlfriend dad father stepdad mom mum partner ex")
_FRIEND_EN = r"\bmy (?:\w+ ){0,2}?" + _any("""
    friend brother sister mom mum dad mother father son daughter roommate boyfriend girlfriend husband wife partner
    cousin student
""")
_SELDOM = r"(?:(?!not|never|no |don)\w+ ){0,2}"  # words between "I" and what is wanted, none of which denies it

_RULES = (
    # 想自杀, 有自杀的念头, 想死, 不想活了
    _rule("self_harm", _WISH + _SUICIDE),
    _rule(
        "self_harm",
        "有了?(?:强烈的)?(?:自杀|轻生|自残|自伤)的?(?:念头|想法|冲动|打算|计划)",
        unless="有没有|没有过|会有|的人",
    ),
    _rule("self_harm", f"(?<!的)想(?:去|要)?死(?:的(?:念头|想法|冲动)|了算了|掉算了|{_END})", unless=_JOKE),
    _rule("self_harm", f"不(?:太|大)?想再?(?:继续)?活(?:下去|着(?!干)|了(?!得)|{_END})", unless=_JOKE),
    _rule(
        "self_harm",
        "我.{0,6}活不下去了",
        unless=_JOKE + "|没有?.{1,8}(?:我|就|都).{0,3}活不下去|工资|物价|房[价租贷]|行业|生意|公司",
    ),
    _rule(
        "self_harm",
        "(?:想|要|准备|决定|打算|终于可以)(?:就|先|自己|永远){0,2}离开这个?(?:世界|人世|人间)",
    ),
    _rule("self_harm", "(?:不如|还是|干脆|真想)死了(?:算了|一了百了|就解脱|就好了)", unless=_JOKE),
    # 准备跳楼; 站在天台上, 想跳下去
    _rule(
        "self_harm",
        "(?:准备|打算|决定|想好)[了要去好]{0,2}跳[楼河江桥轨海](?![价大])",
        unless="甩卖|清仓|蹦极|跳水|教练",
    ),
    _rule(
        "self_harm",
        "(?:楼顶|天台|顶楼|桥[上边]|窗台|阳台|护栏|江边|河边|海边|铁轨|月台).{0,20}"
        r"(?:跳下去|[想要]跳(?=[下楼河江桥海了]|$|[\s,])|往下跳|一跃)",
        unless="蹦极|跳伞|跳水|游泳|教练|跳台|救生",
    ),
    # 遗书写好了; 怎么死不痛; 忍不住又割腕
    _rule(
        "self_harm",
        "(?:遗书|绝笔信?).{0,4}(?:写好|写完|准备好|留好|发给)|"
        "(?:写好|写完|写了|正在写|留好|准备好)了?(?:我的|一封|份)?(?:遗书|绝笔)",
        unless="烈士|革命|体验",
    ),
    _rule(
        "self_harm",
        "(?:怎么|如何|怎样)才?能?死.{0,4}(?:不痛|不疼|没有?痛苦|没感觉|轻松|痛快)|"
        "(?:不痛苦|没有?痛苦|无痛|不疼|不痛|最轻松)的?(?:死法|自杀|死的方法|方法死)",
        unless="[鱼虾蟹鸡鸭虫猫狗]|老鼠|蟑螂|植物|宠物",
    ),
    _rule(
        "self_harm",
        "(?:又|在|正在|想|刚刚?|忍不住)(?:开始|拿刀|用刀)?"
        "(?:自残(?!式)|割自己|划自己|割腕|划(?:手腕|胳膊|手臂))(?!的(?:人|新闻|疤))",
        unless="戒|好久没|纹身",
    ),
    # 吞了一整瓶安眠药
    _rule(
        "attempt",
        r"[吃吞喝灌][了下完]{0,2}.{0,6}(?:一?整?瓶|一大?把|几十[片颗粒]|\d{2,}[片颗粒]|很多|好多|所有的?).{0,4}安眠药",
    ),
    _rule(
        "attempt",
        "(?:我|刚刚?|刚才|已经).{0,6}[喝吞吃][了下].{0,8}(?:农药|百草枯|敌敌畏|老鼠药|鼠药|漂白水)",
        unless="[虫猫狗]|果树|菜地|老鼠吃",
    ),
    _rule(
        "attempt",
        r"[吃吞][了下完].{0,6}(?:整瓶|一大把|\d{2,}[片颗粒]).{0,6}[药片].{0,16}(?:不想活|想死|睡过去|不想醒|再见|永别)",
    ),
    _rule("attempt", "(?:我|刚刚?|已经|正在).{0,4}割了?手?腕|割腕了.{0,10}(?:血|怎么办)"),
    # 他正在打我; 拿刀指着我; 刚被强奸
    _rule(
        "abuse",
        _HE + ".{0,4}(?:正|现在|又)?在.{0,3}[打掐踹揍砍勒]我(?!的?(?:电话|手机|脸|主意|小报告))",
        unless=_JOKE,
    ),
    _rule("abuse", "拿着?(?:刀|菜刀|枪|棍子)(?:对着|指着|追着?|要砍|威胁|抵着)我", unless=_JOKE),
    _rule("abuse", "(?:正在|正|又|刚刚?|今天|昨晚)[被遭].{0,6}(?:家暴|打得|打伤|强奸|性侵|迷奸|强暴)"),
    _rule("abuse", "把我(?:锁|反锁|关|囚禁)在.{0,8}(?:不让|不准|出不去)", unless=_JOKE),
    # 邻居又在打孩子; 叔叔摸我
    _rule(
        "minors",
        _any("邻居 隔壁 楼上 楼下 爸 妈 继母 后妈 继父 后爸 老公 老婆 保姆 老师 阿姨 亲戚")
        + ".{0,8}(?:在|又|一直|天天|往死里)(?:打|掐|虐待|毒打|烫)"
        + _CHILD
        + "(?!的[名电]|电话)",
        unless=_JOKE,
    ),
    _rule(
        "minors",
        _any("爸 继父 叔叔 舅舅 伯伯 老师 教练 哥哥 姑父 爷爷 外公")
        + ".{0,6}(?:摸我.{0,4}(?:下面|胸|隐私|私处|身体|不该)|脱我|逼我脱|猥亵我|性侵我|强奸我)",
    ),
    # 刀买好了, 今晚就去捅死他; 怕会掐死孩子
    _rule(
        "violence",
        "(?:要|想|去|准备|打算|决定)去?[杀捅砍烧弄]死?了?"
        + _any("他 她 他们 他全家 她全家 我爸 我妈 全家 那个人 前任 老板 室友"),
        unless=_JOKE,
        needs="[刀枪斧锤]|汽油|在他家|在她家|今晚|买好|准备好",
    ),
    _rule(
        "violence",
        "我.{0,8}(?:想|要|差点|怕|忍不住).{0,6}(?:掐死|捂死|闷死|摔死)了?(?:我的?|这个?)?" + _CHILD,
        unless=_JOKE,
    ),
    # 四天没吃, 还觉得胖, 晕倒了
    _rule(
        "eating_disorder",
        r"(?:[三四五六七八九十\d]+|好几)天[都已经]{0,2}[没不]有?(?:怎么)?(?:吃|进食).{0,24}(?:晕|站不[起住]|心慌|胸|昏|眼前)",
        needs="[胖瘦斤减]|体重|催吐",
    ),
    _rule("eating_disorder", "(?:催吐|抠吐|吐完).{0,10}(?:吐出?了?血|有血|都是血|晕倒|昏过去)"),
    # 朋友说不想活了
    _rule(
        "other",
        _FRIEND + ".{0,8}(?:说|威胁).{0,6}" + _any("不想活 要去死 想自杀 要自杀 想死(?![我你他她]) 要跳楼 活不下去了"),
        unless=_JOKE,
    ),
    _rule(
        "other",
        f"(?:{_FRIEND}|他|她)(?:刚刚?|今天|已经|现在)?[吞吃]了(?:一整?瓶|一把|好多|很多)的?(?:安眠药|药)"
        ".{0,12}(?:叫不醒|昏迷|怎么办|没反应)",
    ),
    # I want to kill myself; I want to die; I feel suicidal; I don't want to live any more
    _rule(
        "self_harm",
        rf"\bi(?:'m| am|'ve| have)? ?{_SELDOM}"
        + _any("want wanna wanted going gonna planning ready decided trying tried about need")
        + " (?:to )?"
        + _word(
            "kill_myself unalive_myself end_my_life end_my_own_life take_my_own_life commit_suicide die_by_suicide"
        ),
        unless=_JOKE + r"|\bif i (?:have|had|hear|see)\b|\banother\b",
    ),
    _rule(
        "self_harm",
        rf"\bi {_SELDOM}(?:want to|wanna) die(?=$|\s*,|\s+(?:now|tonight|today|so bad|so badly|and)\b)",
        unless=_JOKE + r"|die of\b|old age|peacefully",
    ),
    _rule("self_harm", rf"\bi(?:'m| am| feel| am feeling|'m feeling) {_SELDOM}suicidal\b"),
    _rule(
        "self_harm",
        r"\bi (?:really |just )?(?:do not|don't|dont) want to (?:live|be alive|exist|go on living)(?: any ?more)?"
        r"(?=$|\s*,|\s+and\b)",
        unless=_JOKE,
    ),
    _rule(
        "self_harm", r"\b(?:wrote|written|writing) (?:my|a) (?:suicide note|goodbye letters? to (?:everyone|my family))"
    ),
    _rule(
        "self_harm",
        r"\bi(?:'m| am) (?:\w+ ){0,3}(?:bridge|roof|rooftop|ledge|balcony|tracks)\b.{0,40}\b(?:jump|let go|end it)\b",
        unless="bungee|parachute|skydiv|pool|trampoline|photo",
    ),
    # I took a whole bottle of pills
    _rule(
        "attempt",
        r"\bi(?:'ve| have)? (?:just |already )?(?:took|taken|swallowed|ate) "
        + _any("all_my all_of_my all_the all_of_the a_whole_bottle the_whole_bottle the_entire a_handful too_many")
        + r".{0,20}\b(?:pills|tablets|meds|sleeping)\b",
        unless="for today|today's|as prescribed|doctor|vitamin|this morning|gumm",
    ),
    _rule(
        "attempt",
        r"\bi (?:just |have |'ve )?(?:overdosed|slit my wrists?|cut my wrists?)\b"
        "(?! on (?:sugar|netflix|chocolate|coffee|candy|memes))",
    ),
    # my friend says she wants to kill herself
    _rule(
        "other",
        _FRIEND_EN
        + r"\b.{0,24}\b(?:kill (?:him|her|them)sel(?:f|ves)|end (?:his|her|their) life)\b|"
        + _FRIEND_EN
        + r"\b.{0,24}\b(?:wants to die|is suicidal|suicide note)\b",
        unless=r"\b(?:killed|died by)\b",
    ),
    # he is choking me; a knife to my throat; I was just raped
    _rule(
        "abuse",
        rf"\b{_HE_EN})(?:'s| is) (?:\w+ )?(?:beating|choking|strangling|hitting|attacking|punching|raping) me\b"
        "(?! (?:at|in|by|up the))",
        unless=_JOKE,
    ),
    _rule(
        "abuse",
        r"\b(?:he|she|they)(?:'s| is| has|'ve| have)?(?: \w+){0,4} (?:knife|gun) (?:to|at|on) "
        r"(?:my (?:throat|head|face|neck)|me)\b",
    ),
    _rule(
        "abuse",
        r"\bi (?:was|got) just (?:raped|assaulted)\b|"
        r"\bi (?:was|got) (?:raped|assaulted) (?:tonight|an hour ago|just now|today|last night)\b",
    ),
    # my uncle keeps touching me; the neighbour is beating his kid
    _rule(
        "minors",
        r"\bmy (?:\w+ )?"
        + _any("dad father stepdad stepfather uncle coach teacher grandpa brother")
        + r" (?:keeps touching|touches|is touching) me\b(?! on the shoulder)",
    ),
    _rule(
        "minors",
        _word("neighbou?rs? husband wife boyfriend girlfriend stepdad babysitter nanny")
        + r".{0,12}\b(?:is|are|keeps?) "
        + _any("hitting beating hurting burning shaking choking")
        + rf" {_CHILD_EN}\b",
    ),
    # I am going to stab him tonight
    _rule(
        "violence",
        r"\bi(?:'m| am) (?:going to|gonna|about to) (?:kill|stab|shoot) (?:him|her|them|my \w+|everyone)\b",
        unless=_JOKE,
        needs=r"\b(?:knife|gun|tonight|at (?:his|her|their) (?:house|door)|loaded|mean it)\b",
    ),
)

_TRIGGER = re.compile(
    _any("""
        [死杀鲨活割划跳药打掐踹揍砍勒刀枪棍暴奸侵锁脱虐烧捂闷天吐] 紫砂 轻生 自尽 了断 寻短 了结 结束 离开这 遗书 绝笔
        自残 自伤 关在 摸我 猥亵 囚禁 die kill unalive suicid live alive exist end_my_ my_own_life note goodbye
        jump let_go pills tablets meds sleeping overdos wrist beating choking strangling hitting attacking punching
        rap(?:ed|ing) assaulted knife gun touch hurting burning shaking stab shoot
    """)
)
"""A sentence without any of these is passed over quickly: a long text must not cost time."""

_HINTS: tuple[tuple[Situation, re.Pattern[str]], ...] = (
    (
        "attempt",
        re.compile(
            "吞药|服毒|[吃吞喝]了.{0,8}(?:药|片|农药)|割腕了|割了[手腕]|"
            r"\b(?:took|swallowed)\b.{0,24}(?:pills|tablets|meds)|overdos|bleeding|cut too deep"
        ),
    ),
    (
        "other",
        re.compile(
            f"(?:{_FRIEND}|他|她)" + ".{0,12}(?:自杀|想死|不想活|轻生|跳楼|割腕|自残)|"
            r"\b(?:my \w+|he|she|they)\b.{0,30}(?:suicid|(?:kill|hurt) (?:him|her|them)sel|wants? to die)"
        ),
    ),
    (
        "abuse",
        re.compile(
            "[打踢掐砍踹揍扇]我|(?:威胁|跟踪)我|家暴|被打|强奸|性侵|"
            + _word("hits? hitting beats? beating choked? punch\\w* rape[ds]? threaten\\w* hurts? hurting stalk\\w*")
            + r" me\b"
        ),
    ),
    (
        "minors",
        re.compile(
            _CHILD + ".{0,12}(?:被打|被虐|挨打|摸)|(?:打|虐待|摸)" + _CHILD + "|"
            r"\b(?:hit|hits|hitting|beat\w*|hurt\w*|abus\w*|touch\w*) " + _CHILD_EN
        ),
    ),
    (
        "violence",
        re.compile(
            "(?:杀|砍|捅|弄死|打死)了?(?:他|她|全家|那个)|"
            r"\b(?:kill|stab|shoot|hurt|strangle) (?:him|her|them|my \w+|everyone|people|somebody|someone)\b"
        ),
    ),
)
