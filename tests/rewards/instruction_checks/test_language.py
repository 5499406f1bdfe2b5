import pytest

from r1jax.rewards.instruction_checks import language
from r1jax.rewards.prose import languages

# The same two sentences in the languages that the paper's instructions may ask for.
SAMPLES = {
  'ar': (
    'ذهبت أختي إلى السوق في الصباح الباكر لتشتري الخبز والفاكهة. وعندما عادت إلى البيت أعدت '
    'لنا فطورًا لذيذًا وجلسنا نتحدث عن رحلة الصيف القادم.'
  ),
  'bg': (
    'Сестра ми отиде рано сутринта на пазара, за да купи хляб и плодове. Когато се върна '
    'вкъщи, тя приготви вкусна закуска и поговорихме за лятното пътуване.'
  ),
  'bn': (
    'আমার বোন খুব সকালে রুটি আর ফল কিনতে বাজারে গিয়েছিল। বাড়ি ফিরে সে সুস্বাদু নাস্তা তৈরি '
    'করল এবং আমরা গ্রীষ্মের ভ্রমণ নিয়ে কথা বললাম।'
  ),
  'de': (
    'Meine Schwester ging früh am Morgen auf den Markt, um Brot und Obst zu kaufen. Als sie '
    'nach Hause kam, machte sie uns ein leckeres Frühstück, und wir sprachen über die Reise im '
    'Sommer.'
  ),
  'en': (
    'My sister went to the market early in the morning to buy bread and fruit. When she came '
    'home she made us a tasty breakfast and we talked about the journey next summer.'
  ),
  'es': (
    'Mi hermana fue al mercado temprano por la mañana para comprar pan y fruta. Cuando volvió '
    'a casa nos preparó un desayuno muy rico y hablamos del viaje del próximo verano.'
  ),
  'fa': (
    'خواهرم صبح زود به بازار رفت تا نان و میوه بخرد. وقتی به خانه برگشت برای ما صبحانه‌ای '
    'خوشمزه درست کرد و درباره‌ی سفر تابستان حرف زدیم.'
  ),
  'fi': (
    'Siskoni meni aikaisin aamulla torille ostamaan leipää ja hedelmiä. Kun hän tuli kotiin, '
    'hän teki meille hyvän aamiaisen ja puhuimme ensi kesän matkasta.'
  ),
  'fr': (
    'Ma sœur est allée au marché tôt le matin pour acheter du pain et des fruits. En rentrant '
    'à la maison, elle nous a préparé un bon petit déjeuner et nous avons parlé du voyage de '
    'cet été.'
  ),
  'gu': (
    'મારી બહેન વહેલી સવારે રોટલી અને ફળ ખરીદવા બજારમાં ગઈ હતી. ઘરે પાછી આવીને તેણે અમારા માટે '
    'સ્વાદિષ્ટ નાસ્તો બનાવ્યો અને અમે ઉનાળાના પ્રવાસ વિશે વાત કરી.'
  ),
  'he': (
    'אחותי הלכה לשוק מוקדם בבוקר כדי לקנות לחם ופירות. כשחזרה הביתה היא הכינה לנו ארוחת בוקר '
    'טעימה ודיברנו על הטיול בקיץ הבא.'
  ),
  'hi': (
    'मेरी बहन सुबह जल्दी रोटी और फल खरीदने बाज़ार गई थी। घर लौटकर उसने हमारे लिए स्वादिष्ट '
    'नाश्ता बनाया और हमने गर्मियों की यात्रा के बारे में बातें कीं।'
  ),
  'it': (
    'Mia sorella è andata al mercato la mattina presto per comprare il pane e la frutta. '
    'Quando è tornata a casa ci ha preparato una buona colazione e abbiamo parlato del viaggio '
    'della prossima estate.'
  ),
  'ja': (
    '姉は朝早く市場へ行って、パンと果物を買いました。'
    '家に帰ってからおいしい朝ごはんを作ってくれて、みんなで来年の夏の旅行について話しました。'
  ),
  'kn': (
    'ನನ್ನ ಅಕ್ಕ ಬೆಳಿಗ್ಗೆ ಬೇಗ ಬ್ರೆಡ್ ಮತ್ತು ಹಣ್ಣು ಖರೀದಿಸಲು ಮಾರುಕಟ್ಟೆಗೆ ಹೋದಳು. ಮನೆಗೆ ಬಂದ ಮೇಲೆ ನಮಗೆ '
    'ರುಚಿಯಾದ ತಿಂಡಿ ಮಾಡಿದಳು ಮತ್ತು ನಾವು ಬೇಸಿಗೆಯ ಪ್ರವಾಸದ ಬಗ್ಗೆ ಮಾತನಾಡಿದೆವು.'
  ),
  'ko': (
    '누나는 아침 일찍 빵과 과일을 사러 시장에 갔습니다. '
    '집에 돌아와서 맛있는 아침을 만들어 주었고 우리는 내년 여름 여행에 대해 이야기했습니다.'
  ),
  'ml': (
    'എന്റെ ചേച്ചി രാവിലെ നേരത്തെ റൊട്ടിയും പഴങ്ങളും വാങ്ങാൻ ചന്തയിൽ പോയി. വീട്ടിൽ '
    'തിരിച്ചെത്തിയപ്പോൾ അവൾ ഞങ്ങൾക്ക് രുചിയുള്ള പ്രാതൽ ഉണ്ടാക്കി, ഞങ്ങൾ വേനൽക്കാല '
    'യാത്രയെക്കുറിച്ച് സംസാരിച്ചു.'
  ),
  'mr': (
    'माझी बहीण पहाटे लवकर पाव आणि फळे घेण्यासाठी बाजारात गेली होती. घरी आल्यावर तिने '
    'आमच्यासाठी चविष्ट नाश्ता बनवला आणि आम्ही उन्हाळ्याच्या सहलीबद्दल बोललो.'
  ),
  'ne': (
    'मेरी दिदी बिहान सबेरै रोटी र फलफूल किन्न बजार जानुभयो। घर फर्केपछि उहाँले हाम्रो लागि '
    'मीठो खाजा बनाउनुभयो र हामीले गर्मीको यात्राको बारेमा कुरा गर्‍यौं।'
  ),
  'pa': (
    'ਮੇਰੀ ਭੈਣ ਸਵੇਰੇ ਜਲਦੀ ਰੋਟੀ ਅਤੇ ਫਲ ਖਰੀਦਣ ਲਈ ਬਾਜ਼ਾਰ ਗਈ ਸੀ। ਘਰ ਆ ਕੇ ਉਸਨੇ ਸਾਡੇ ਲਈ ਸੁਆਦੀ ਨਾਸ਼ਤਾ '
    'ਬਣਾਇਆ ਅਤੇ ਅਸੀਂ ਗਰਮੀਆਂ ਦੀ ਯਾਤਰਾ ਬਾਰੇ ਗੱਲਾਂ ਕੀਤੀਆਂ।'
  ),
  'pl': (
    'Moja siostra poszła wcześnie rano na targ, żeby kupić chleb i owoce. Kiedy wróciła do '
    'domu, zrobiła nam smaczne śniadanie i rozmawialiśmy o podróży w przyszłe lato.'
  ),
  'pt': (
    'A minha irmã foi ao mercado de manhã cedo para comprar pão e fruta. Quando voltou para '
    'casa, fez um pequeno-almoço delicioso e falámos da viagem do próximo verão.'
  ),
  'ru': (
    'Моя сестра рано утром пошла на рынок, чтобы купить хлеб и фрукты. Вернувшись домой, она '
    'приготовила нам вкусный завтрак, и мы говорили о поездке следующим летом.'
  ),
  'sw': (
    'Dada yangu alienda sokoni asubuhi na mapema kununua mkate na matunda. Aliporudi nyumbani '
    'alitutengenezea kifungua kinywa kitamu na tukazungumza kuhusu safari ya mwaka ujao.'
  ),
  'ta': (
    'என் அக்கா அதிகாலையில் ரொட்டியும் பழங்களும் வாங்க சந்தைக்குச் சென்றாள். வீட்டிற்கு '
    'வந்ததும் எங்களுக்குச் சுவையான காலை உணவு செய்தாள், நாங்கள் கோடைப் பயணம் பற்றிப் பேசினோம்.'
  ),
  'te': (
    'మా అక్క ఉదయాన్నే రొట్టె, పండ్లు కొనడానికి మార్కెట్‌కు వెళ్ళింది. ఇంటికి వచ్చాక మా కోసం '
    'రుచికరమైన అల్పాహారం చేసింది, మేము వేసవి ప్రయాణం గురించి మాట్లాడుకున్నాము.'
  ),
  'th': (
    'พี่สาวของฉันไปตลาดแต่เช้าเพื่อซื้อขนมปังและผลไม้ เมื่อกลับถึงบ้านเธอทำอาหารเช้าอร่อยๆ '
    'ให้พวกเรา และเราคุยกันเรื่องการเดินทางในฤดูร้อนหน้า'
  ),
  'uk': (
    'Моя сестра рано-вранці пішла на ринок, щоб купити хліб і фрукти. Повернувшись додому, '
    'вона приготувала нам смачний сніданок, і ми говорили про подорож наступного літа.'
  ),
  'ur': (
    'میری بہن صبح سویرے روٹی اور پھل خریدنے بازار گئی تھی۔ گھر واپس آ کر اس نے ہمارے لیے '
    'مزیدار ناشتہ بنایا اور ہم نے گرمیوں کے سفر کے بارے میں باتیں کیں۔'
  ),
  'vi': (
    'Chị tôi đi chợ từ sáng sớm để mua bánh mì và trái cây. Khi về nhà, chị nấu cho chúng tôi '
    'một bữa sáng thật ngon và chúng tôi nói về chuyến đi mùa hè năm sau.'
  ),
  'zh': (
    '我姐姐一大早就去市场买面包和水果。回到家以后，她给我们做了一顿美味的早餐，我们还聊了聊明年夏天的旅行。'
  ),
}
ENGLISH = SAMPLES['en']


def test_every_language_has_a_sample():
  assert SAMPLES.keys() <= languages.LANGUAGES


@pytest.mark.parametrize('code', SAMPLES)
def test_a_text_is_in_its_language_and_no_other(code):
  assert [other for other in SAMPLES if language.is_in(SAMPLES[code], other)] == [code]


@pytest.mark.parametrize('code', sorted(SAMPLES.keys() - {'en'}))
def test_a_text_with_its_translation_is_in_neither(code):
  text = SAMPLES[code]
  for mixed in (f'{text}\n\n{ENGLISH}', f'{ENGLISH} {text}', f'{text} {ENGLISH} ' * 20):
    assert not language.is_in(mixed, code)
    assert not language.is_in(mixed, 'en')


@pytest.mark.parametrize('code', SAMPLES)
def test_a_text_may_hold_foreign_names(code):
  assert language.is_in(f'**Google** & Facebook: {SAMPLES[code]}', code)


def test_four_words_in_five_have_to_be_of_the_language():
  text = 'сегодня утром мы пошли на озеро где купались'  # Eight words.
  assert language.is_in(f'{text} together happily', 'ru')
  assert not language.is_in(f'{text} together happily swimming', 'ru')


def test_case_digits_and_marks_do_not_matter():
  assert language.is_in(ENGLISH.upper(), 'en')
  assert language.is_in('1,234 + 5 = *** ' + ENGLISH, 'en')
  assert language.is_in('\n'.join(ENGLISH.split()), 'en')


@pytest.mark.parametrize('text', ['', '123', '😀', '\u200b', '...', '\u0301' * 50, '\ud800'])
def test_a_text_without_letters_is_in_no_language(text):
  assert [code for code in SAMPLES if language.is_in(text, code)] == []


def test_a_short_text_is_told():
  assert [code for code in SAMPLES if language.is_in('So the answer is this.', code)] == ['en']
  assert not language.is_in('Yes it is.', 'fr')


def test_hindi_in_latin_letters_is_not_hindi():
  text = 'Meri behen subah jaldi roti aur phal kharidne bazaar gayi thi aur ghar laut kar so gayi.'
  assert not language.is_in(text, 'hi')


def test_a_language_that_is_not_in_the_table_is_none_of_it():
  dutch = 'Mijn zus ging vroeg in de ochtend naar de markt om brood en fruit te kopen.'
  assert [code for code in SAMPLES if language.is_in(dutch, code)] == []
