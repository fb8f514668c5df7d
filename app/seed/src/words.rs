//! What is said: captions and comments for each subject, what fits everywhere, and conversations.

use crate::photo::Subject;

/// What goes with the photos of one subject.
#[derive(Debug)]
pub struct Topic {
    pub subject: Subject,
    /// Each is posted once.
    pub captions: &'static [&'static str],
    pub comments: &'static [&'static str],
}

pub const TOPICS: [Topic; 8] = [
    Topic {
        subject: Subject::Sunset,
        captions: &[
            "퇴근길 하늘이 이렇게 예쁠 일인가 🌇",
            "Golden hour never disappoints ✨",
            "오늘 노을 본 사람 🙋‍♀️",
            "해 지는 거 보려고 한 시간 기다렸어요. 그럴 만했다.",
            "Last light of September. Already missing summer 🧡",
            "하루 끝에 이런 선물이라니 🌅\n다들 오늘도 고생했어요.",
            "창밖이 갑자기 주황색이 돼서 뛰어나감",
            "No filter, I promise.",
            "노을 맛집은 역시 우리 동네 옥상",
        ],
        comments: &[
            "색감 미쳤다 🧡",
            "What a sky!",
            "저도 봤어요! 진짜 예뻤죠 🌇",
            "어디예요? 가보고 싶다",
            "배경화면으로 써도 되나요 🙏",
        ],
    },
    Topic {
        subject: Subject::Mountains,
        captions: &[
            "새벽 네 시 출발, 여섯 시 정상 🏔️",
            "Above the clouds at last ☁️",
            "설악산 운해, 이걸 보려고 세 번을 올랐습니다.",
            "Quiet morning. Only birds and my own breath.",
            "안개 낀 지리산, 수묵화 같았다 🎨",
            "다리는 아프지만 마음은 가벼워요 🥾",
            "Layers upon layers upon layers.",
            "내려와서 먹는 파전이 진짜 목적 😋",
            "주말엔 역시 산. 다음엔 같이 가요!",
        ],
        comments: &[
            "와 수묵화인 줄 알았어요",
            "Which trail is this? 🥾",
            "체력 대단하다 👍",
            "다음엔 저도 데려가요",
            "Breathtaking!",
        ],
    },
    Topic {
        subject: Subject::City,
        captions: &[
            "야근하고 나오니 이런 야경 🌃 위로가 되네",
            "Seoul never sleeps, and neither do I 🌙",
            "남산에서 내려다본 우리 집은 어디쯤일까",
            "보름달 뜬 밤, 한강 건너편 🌕",
            "City lights > screen lights.",
            "불 켜진 창문마다 이야기가 하나씩 🏙️",
            "막차 놓치고 걸어온 김에 한 장",
            "First night in the new apartment! The view is worth every box I carried 📦",
            "서울의 밤은 낮보다 길다",
        ],
        comments: &[
            "야경 최고 🌃",
            "That moon though 🌕",
            "여기 어디예요? 각도 너무 좋다",
            "야근 고생했어요 🥲",
            "Makes me miss Seoul so much",
        ],
    },
    Topic {
        subject: Subject::Sea,
        captions: &[
            "바다 보러 무작정 기차 탔어요 🌊",
            "Vitamin sea 💙",
            "강릉 바다는 겨울이 진짜",
            "파도 소리 듣다가 잠들 뻔 😴",
            "Salt in my hair, sand in everything else.",
            "제주 애월, 바람이 다 했다 🍃",
            "아무 생각 안 하기 좋은 날 🫧",
            "Swam before breakfast. Cold! Would do again tomorrow.",
            "윤슬이라는 말을 알게 된 뒤로 바다가 더 좋아졌다 ✨",
        ],
        comments: &[
            "윤슬 너무 예쁘다 ✨",
            "Take me with you! 🌊",
            "바다 가고 싶다…",
            "혼자 간 거예요? 부럽",
            "I can hear the waves from here",
        ],
    },
    Topic {
        subject: Subject::Coffee,
        captions: &[
            "오늘의 하트는 성공 ☕🤍",
            "Monday needs two of these ☕☕",
            "성수동 새로 생긴 카페, 라떼가 정말 고소해요",
            "집에서 내린 첫 라떼아트… 하트라고 우겨봅니다 😂",
            "Slow mornings are my favourite mornings.",
            "비 오는 날엔 따뜻한 거 ☔",
            "원두 바꿨더니 완전 다른 맛. 에티오피아 예가체프 추천!",
            "Good book, good coffee, phone on silent 📖",
            "디저트는 다 먹고 커피만 찍었습니다",
        ],
        comments: &[
            "하트 완벽한데요? 🤍",
            "여기 위치 좀 알려주세요 ☕",
            "Now I need a coffee",
            "라떼아트 언제 배웠어요 ㅋㅋ",
            "잔도 너무 예쁘다",
        ],
    },
    Topic {
        subject: Subject::Blossoms,
        captions: &[
            "벚꽃엔딩 들으면서 걷기 🌸",
            "Spring finally showed up 🌸",
            "일주일만 더 피어 있어 주면 안 될까",
            "꽃잎이 눈처럼 내리던 오후",
            "여의도는 사람 반 꽃 반이었지만 그래도 좋았다 😄",
            "Found this tree on my way to work and was late. Worth it.",
            "엄마랑 꽃구경 🌷 엄마가 더 신났음",
            "Petals in my coffee, petals in my bag.",
            "봄은 짧으니까 사진은 많이",
        ],
        comments: &[
            "봄이다 🌸🌸",
            "So soft, so pretty 🌸",
            "어머니랑 사진도 올려주세요!",
            "이번 주말에 가면 아직 있을까요?",
            "꽃보다 감성",
        ],
    },
    Topic {
        subject: Subject::Lights,
        captions: &[
            "초점 안 맞은 게 더 예쁠 때가 있다 ✨",
            "Out of focus, in the mood.",
            "연말 분위기 미리 내보기 🎄",
            "비 온 뒤 거리의 불빛들",
            "Blurry nights, clear memories 💫",
            "축제 마지막 밤. 불꽃보다 사람들이 예뻤어요 🎆",
            "안경 벗으면 매일 보는 풍경 🤓",
            "새 렌즈 테스트! f/1.2의 세계",
            "Fairy lights make everything better.",
        ],
        comments: &[
            "안경 ㅋㅋㅋㅋ 공감",
            "보케 무슨 일 😍",
            "Which lens? Asking for a friend 👀",
            "연말 느낌 난다 🎄",
            "몽환적이에요",
        ],
    },
    Topic {
        subject: Subject::Pattern,
        captions: &[
            "요즘 빠져 있는 패턴 작업 🎨",
            "Drew one tile a day for a month.",
            "을지로 골목에서 찾은 타일 벽",
            "색 조합 투표 받습니다! 1번 vs 2번?",
            "Shapes that make me happy 🟠🔺🟦",
            "새 포스터 완성! 판매는 다음 주부터예요 🙌",
            "엽서로 뽑아봤는데 종이 질감이 예술",
            "Bauhaus mood today.",
            "단순한 게 제일 어렵다",
        ],
        comments: &[
            "2번이요! ✌️",
            "I would hang this on my wall 🖼️",
            "포스터 사고 싶어요, 어디서 사요?",
            "색 조합 배우고 싶다",
            "1번에 한 표",
        ],
    },
];

pub const COMMENTS: [&str; 14] = [
    "좋아요 백 개 누르고 싶다 👍",
    "Love this ❤️",
    "분위기 너무 좋다",
    "와…",
    "사진 진짜 잘 찍으시네요 📸",
    "So good!",
    "오랜만이에요! 잘 지내죠? 😊",
    "Wow 🔥",
    "저장해 둘게요",
    "힐링하고 갑니다 🍃",
    "This made my day 🙌",
    "다음 사진도 기대할게요",
    "ㅋㅋㅋ 귀여워",
    "Goals ✨",
];

/// By the author of the post, to whoever commented.
pub const THANKS: [&str; 8] = [
    "고마워요! 🥰",
    "Thank you! 🙏",
    "ㅎㅎ 다음에 같이 가요",
    "과찬이에요 😆",
    "DM 드릴게요!",
    "Come along next time!",
    "덕분에 힘이 나요 💪",
    "언제든지요 😊",
];

/// By anyone else.
pub const REPLIES: [&str; 6] = [
    "저도요 🙋",
    "Same here!",
    "인정합니다",
    "Right? 😄",
    "ㅋㅋㅋㅋ",
    "동감이에요 👏",
];

/// Lines in turn; the first speaker begins.
pub const TALKS: [&[&str]; 12] = [
    &[
        "안녕하세요! 올리신 사진 보고 연락드려요 😊",
        "안녕하세요~ 어떤 사진이요?",
        "노을 사진이요. 혹시 어디서 찍으셨어요?",
        "아 그거 낙산공원이에요! 일곱 시쯤 가면 딱 좋아요 🌇",
        "오 감사합니다! 이번 주말에 가볼게요",
        "사진 올리시면 보러 갈게요 ㅎㅎ",
    ],
    &[
        "토요일에 등산 갈래?",
        "좋지! 어디로?",
        "북한산 어때. 여섯 시 출발",
        "여섯 시…? 🥲",
        "ㅋㅋㅋ 일곱 시로 할까",
        "콜! 김밥은 내가 싸갈게 🍙",
    ],
    &[
        "Hey! Are you still in Busan?",
        "Yes, until Sunday 🌊 You?",
        "Arriving tomorrow. Coffee?",
        "Always. I know a place with a view.",
        "See you at ten then ☕",
    ],
    &[
        "포스터 아직 살 수 있나요?",
        "네! A2 두 장 남았어요 🙌",
        "그럼 한 장 부탁드려요",
        "내일 포장해서 보낼게요. 주소 알려주세요!",
    ],
    &[
        "생일 축하해!! 🎂🎉",
        "헉 기억하고 있었어? 고마워 😭",
        "당연하지. 오늘 맛있는 거 먹어",
        "저녁에 고기 먹으러 가기로 했어 ㅎㅎ",
    ],
    &[
        "Which lens did you use for the lights?",
        "The 50mm, wide open at f/1.2",
        "I knew it. My wallet is crying already 😅",
        "Borrow mine next weekend if you like!",
        "You are the best 🙏",
    ],
    &[
        "카페 이름 뭐였지?",
        "어제 간 데? '느린오후'",
        "맞다 거기! 라떼 진짜 맛있었어 ☕",
        "다음 주에 또 가자",
    ],
    &[
        "숙제 다 했어?",
        "무슨 숙제 ㅋㅋ 우리 졸업한 지가 언젠데",
        "사진 모임 숙제 말이야 📷",
        "아 맞다… 오늘 찍으러 나간다 🏃",
    ],
    &[
        "제주 날씨 어때요?",
        "바람은 부는데 하늘이 너무 맑아요 ☀️",
        "이번 주말 비행기 끊었어요!",
        "오 그럼 애월에서 봐요 🍊",
        "귤 사 갈게요가 아니라… 거기 귤이 더 많겠네요 😂",
    ],
    &[
        "Loved your tile series!",
        "Thank you so much! 🟠🔺",
        "Do you take commissions?",
        "Sometimes. Tell me more?",
    ],
    &[
        "우리 고양이 사진 보여줄까",
        "당연하지 빨리 🐱",
        "지금 자고 있어서 조금 이따",
        "기다린다 😾",
    ],
    &[
        "회의 늦을 것 같아요 ㅠㅠ",
        "괜찮아요, 십 분 미뤘어요",
        "은인이십니다 🙇",
        "커피 한 잔으로 받겠습니다 ㅎㅎ",
    ],
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_caption_is_there_twice_so_that_a_post_is_known_by_its_text() {
        let captions = TOPICS.iter().flat_map(|topic| topic.captions);
        let different: BTreeSet<_> = captions.clone().collect();
        assert_eq!(different.len(), captions.count());
    }

    #[test]
    fn no_one_says_the_same_line_twice_in_a_talk() {
        for talk in TALKS {
            let lines = talk.iter().enumerate().map(|(number, line)| (number % 2, line));
            assert_eq!(lines.collect::<BTreeSet<_>>().len(), talk.len(), "{talk:?}");
        }
    }
}
