"""Words that make a crisis by themselves, and the look-alikes that do not."""

import pytest

from samantha.mind.crisis_words import hints_of_words, level_of_words, situation_of_words

SELF_HARM = """
我想自杀
好想死
想死，真的
每天都想死啊
真的不想活了
我不想活了你知道吗
我妈不理解我，我不想活了
我现在就想结束自己的生命
今晚准备自杀，东西都准备好了
我站在天台上，想跳下去
遗书写好了
有没有不痛苦的死法
忍不住又割腕了
我有自杀的念头
活不下去了，我真的活不下去了
谢谢你陪我，我想离开这个世界
不如死了算了
我跟你说我想死
我决定去跳楼
想紫砂
以前也想过，但现在我真的想自杀
I want to kill myself
i wanna kill myself
I'm so tired. I want to die
I don't want to be alive anymore
I am going to end my life tonight
i feel suicidal
I'm standing on a bridge and I want to jump
I wrote my suicide note
""".strip().splitlines()

OTHER_DANGERS = [
    ("我刚吞了一整瓶安眠药", "attempt"),
    ("刚喝了农药", "attempt"),
    ("i just took a whole bottle of pills", "attempt"),
    ("我老公正在打我，我躲在厕所", "abuse"),
    ("他拿着刀对着我", "abuse"),
    ("he is choking me right now help", "abuse"),
    ("邻居又在打孩子，哭得好惨", "minors"),
    ("My neighbour keeps hitting the baby", "minors"),
    ("my uncle keeps touching me", "minors"),
    ("刀已经买好了，今晚就去捅死他", "violence"),
    ("I've got a knife and I'm going to stab him", "violence"),
    ("四天没吃东西了还是觉得胖，刚才晕倒了", "eating_disorder"),
    ("我闺蜜刚发消息说她不想活了", "other"),
    ("我朋友说想自杀，怎么办", "other"),
    ("my friend says she wants to kill herself", "other"),
]

LOOK_ALIKES = """
想死你了
我想死你了宝贝
想死你们了
我妈说想死我了
累死了
笑死我了哈哈哈
困得想死，早八好烦
尴尬得想死
热得不想活了
想死的心都有了
写完作业不想活了哈哈
没有空调我活不下去
工资太低，我快活不下去了
我要杀了他！又抢我外卖
我妈要打死我了
跳楼价大甩卖
我要跳舞了
不想活动
这把紫砂壶多少钱
吃了一瓶药还没退烧
我要减肥三天没吃零食了
他在打我电话
妈妈摸我的头
老师在打学生的名字
我也想死磕到底
这花快死了
i could die of embarrassment
This deadline is killing me
My plant died
I don't want to live in Chicago
if I have to sit through another meeting I'm going to kill myself
I took all my pills for today
he is beating me at chess
""".strip().splitlines()

DENIED = """
我不想死
我没有想自杀
我从来没想过要自杀
我不是想自杀只是累
我不会自杀的
我怎么会想死
I'm not going to kill myself
I never want to die
i'm not suicidal
""".strip().splitlines()

TOLD = """
电影里的主角最后自杀了
这个boss打得我想死
梦到我想自杀
The movie ends with him saying I want to die.
为什么有人想自杀
你想自杀吗
他前年自杀了
我曾经想过自杀，那时候很难
我朋友去年想自杀后来好了
I used to want to kill myself years ago
""".strip().splitlines()


@pytest.mark.parametrize("text", SELF_HARM)
def test_words_of_wanting_to_die_make_a_crisis(text: str) -> None:
    assert (level_of_words(text), situation_of_words(text)) == ("crisis", "self_harm")


@pytest.mark.parametrize(("text", "situation"), OTHER_DANGERS)
def test_other_dangers_have_words_too(text: str, situation: str) -> None:
    assert situation_of_words(text) == situation


@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_a_look_alike_is_none(text: str) -> None:
    assert level_of_words(text) is None


@pytest.mark.parametrize("text", DENIED)
def test_what_is_denied_is_none(text: str) -> None:
    assert level_of_words(text) is None


@pytest.mark.parametrize("text", TOLD)
def test_a_story_a_question_and_the_past_are_none(text: str) -> None:
    assert level_of_words(text) is None


@pytest.mark.parametrize(
    "text",
    ["我想自殺", "想 死", "我想自*杀", "我想自\u200b杀", "Ｉ ｗａｎｔ ｔｏ ｋｉｌｌ ｍｙｓｅｌｆ", "我想自杀。" * 2],
)
def test_other_spellings_are_read(text: str) -> None:
    assert level_of_words(text) == "crisis"


def test_what_is_most_pressing_is_named() -> None:
    assert situation_of_words("我不想活了。刚刚吞了一整瓶安眠药。") == "attempt"


def test_a_denial_in_one_sentence_says_nothing_about_the_next() -> None:
    assert level_of_words("我没有想自杀。我说错了，我想自杀。") == "crisis"


@pytest.mark.parametrize("text", ["", " ", "👍", "\0", "a" * 10_000, "死" * 10_000])
def test_any_text_is_read(text: str) -> None:
    assert level_of_words(text) is None


def test_words_far_into_a_sentence_without_end_are_read() -> None:
    assert level_of_words("今天天气不错，" * 200 + "我不想活了") == "crisis"
    assert level_of_words("今天天气不错，" * 200 + "我没有想自杀，" + "今天天气不错，" * 200) is None


@pytest.mark.parametrize(
    ("text", "hint"),
    [("he hits me", "abuse"), ("我吃了很多药", "attempt"), ("她说她想死", "other"), ("they hurt the child", "minors")],
)
def test_a_hint_is_no_crisis_by_itself(text: str, hint: str) -> None:
    assert hint in hints_of_words(text)
