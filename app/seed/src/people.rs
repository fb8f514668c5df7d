//! Who is there.

/// A member to be; the address for mail follows from the number, since nicknames may hold any letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person {
    pub nickname: &'static str,
    pub real_name: &'static str,
}

const fn person(nickname: &'static str, real_name: &'static str) -> Person {
    Person { nickname, real_name }
}

/// The first is who a newcomer signs in as.
pub const PEOPLE: [Person; 30] = [
    person("minseo.k", "김민서"),
    person("jun_photo", "이준호"),
    person("hayoon_", "박하윤"),
    person("seoul_walker", "최서준"),
    person("emma.lens", "Emma Clarke"),
    person("지우의하루", "정지우"),
    person("doyun.film", "강도윤"),
    person("coffee_yuna", "윤유나"),
    person("han_river", "한지민"),
    person("liam_outdoors", "Liam Walker"),
    person("바다소년", "오태양"),
    person("sujin.bakes", "서수진"),
    person("jihoon_91", "조지훈"),
    person("mountain_mi", "문미경"),
    person("chloe.draws", "Chloe Martin"),
    person("woojin_", "차우진"),
    person("봄날의산책", "임봄이"),
    person("taeho.run", "배태호"),
    person("soyeon_", "신소연"),
    person("noah.k", "Noah Kim"),
    person("jeju_diary", "고은별"),
    person("hyun_arch", "황현우"),
    person("dahye.book", "안다혜"),
    person("olive_j", "Olivia Jones"),
    person("kyung_soo", "백경수"),
    person("라떼한잔", "송라희"),
    person("yejin.green", "유예진"),
    person("mark_in_busan", "Mark Evans"),
    person("narae_", "권나래"),
    person("siwoo.cat", "남시우"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_people_have_one_nickname_and_all_keep_to_its_letters() {
        let nicknames: BTreeSet<&str> = PEOPLE.iter().map(|person| person.nickname).collect();
        assert_eq!(nicknames.len(), PEOPLE.len());
        for nickname in nicknames {
            let letters = nickname.chars().all(|c| c.is_alphanumeric() || c == '.' || c == '_');
            assert!(letters && (1..=30).contains(&nickname.chars().count()), "{nickname}");
        }
    }
}
