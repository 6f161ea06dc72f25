"""Which language a text is in: by script alone, by the library within a script, and not at all."""

import pytest

from samantha.adapters.language_identification import language_of

CHATS = """
ar هل يمكنك مساعدتي في الواجب؟
bg ще ми помогнеш ли с домашното?
bn আমার বিড়াল অসুস্থ, আমি চিন্তিত
ca el meu gat està malalt i estic amoïnada
cs děkuju, to bylo od tebe moc hezké
da tak, det var virkelig sødt af dig
de mir hört nie jemand zu
el η γάτα μου είναι άρρωστη και ανησυχώ
en nobody ever listens to me
es mi gato está enfermo y estoy preocupada
et aitäh, see oli sinust väga kena
fa هیچ کس به حرف من گوش نمی‌ده
fi kukaan ei koskaan kuuntele minua
fr je ne sais pas quoi cuisiner ce soir
he מה לבשל הערב?
hi मेरी बिल्ली बीमार है और मुझे चिंता हो रही है
hr nitko me nikad ne sluša
hu beteg a macskám és aggódom
id terima kasih, kamu baik sekali
it grazie, sei stato davvero gentile
ja 猫が病気で心配なんだ
ka ჩემი კატა ავად არის და ვნერვიულობ
ko 우리 고양이가 아파서 걱정돼
lt niekas manęs niekada neklauso
nl wat zal ik vanavond koken?
no det er aldri noen som hører på meg
pl nikt mnie nigdy nie słucha
pt não sei o que cozinhar hoje à noite
ro mulțumesc, a fost foarte drăguț din partea ta
ru мой кот заболел, и я волнуюсь
sk nikto ma nikdy nepočúva
sv jag har haft en så lång dag idag
sw hakuna mtu anayenisikiliza
ta நன்றி, நீ மிகவும் நல்லவள்
te ఈ రాత్రి ఏం వండాలి?
th ไม่มีใครฟังฉันเลย
tr beni hiç kimse dinlemiyor
uk ніхто мене ніколи не слухає
ur کوئی میری بات نہیں سنتا
vi chẳng ai chịu nghe tôi cả
zh 从来没有人听我说话
""".strip().splitlines()


@pytest.mark.parametrize("chat", CHATS, ids=lambda chat: chat[:2])
def test_a_line_of_chat_is_told(chat: str) -> None:
    language, _, said = chat.partition(" ")
    assert language_of(said) == language


@pytest.mark.parametrize(
    ("said", "language"),
    [
        ("我用 Python 写代码", "zh"),
        ("What does 你好 mean?", "en"),
        ("東京の駅で会いましょう", "ja"),
        ("ok 谢谢", "zh"),
        ("I said здравствуй to her yesterday evening", "en"),
    ],
)
def test_of_mixed_text_the_larger_part_counts(said: str, language: str) -> None:
    assert language_of(said) == language


@pytest.mark.parametrize("said", ["", " \n", "12:30", "🙂👍", "???", "\x00\x01", "\ud83d", "asdfghjkl", "ᚠᚢᚦᚨᚱᚲ"])
def test_what_cannot_be_told_is_undetermined(said: str) -> None:
    assert language_of(said) == "und"


def test_a_very_long_text_is_read_to_its_end() -> None:
    assert language_of("Ich bin da. " * 1000 + "We walked along the river and talked. " * 9000) == "en"
