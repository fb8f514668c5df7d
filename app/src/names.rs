//! What a member is called and signs in with. Each value is parsed once, at the edge, and cannot be wrong afterwards;
//! the error is a sentence for the person who typed it.
//!
//! One sign-in name means one member because the three kinds cannot be mistaken for each other: an e-mail address has
//! an `@`, a telephone number is all digits, and a nickname is neither.

mod schema;

pub use schema::{attempt, nickname_or_id};
use std::fmt;

const EMAIL_MAX_CHARS: usize = 254;
const REAL_NAME_MAX_CHARS: usize = 50;
const NICKNAME_MAX_CHARS: usize = 30;
const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 8..=128;
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 8..=15;
/// As written, with what is between the digits.
const PHONE_MAX_CHARS: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealName(String);

/// Letters and digits of any script, `.` and `_`. Emoji are left out because the database's collation holds all of
/// them to be equal: two such nicknames would clash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nickname(String);

/// How the nicknames start that are searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NicknamePrefix(String);

/// Digits, perhaps after a `+`; spaces, hyphens, dots and brackets are dropped, so that one number is one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phone(String);

#[derive(Clone)]
pub struct Password(String);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignInName {
    Email(Email),
    Phone(Phone),
    Nickname(Nickname),
}

impl Email {
    pub fn parse(value: &str) -> Result<Email, String> {
        let wrong = || Err("must be an e-mail address such as `name@example.com`".to_owned());
        if value.len() > EMAIL_MAX_CHARS {
            return Err(format!("must have at most {EMAIL_MAX_CHARS} characters"));
        }
        let Some((local, domain)) = value.split_once('@') else {
            return wrong();
        };
        let local_is_right = (1..=64).contains(&local.len())
            && local
                .chars()
                .all(|c| c.is_ascii_graphic() && !"\"(),:;<>[\\]".contains(c));
        let label_is_right = |label: &str| {
            (1..=63).contains(&label.len())
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if !local_is_right || !domain.contains('.') || !domain.split('.').all(label_is_right) {
            return wrong();
        }
        Ok(Email(value.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl RealName {
    pub fn parse(value: &str) -> Result<RealName, String> {
        refuse_control(value)?;
        bounded(value, 1..=REAL_NAME_MAX_CHARS)?;
        match value.trim() {
            "" => Err("must not be blank".to_owned()),
            trimmed => Ok(RealName(trimmed.to_owned())),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Nickname {
    pub fn parse(value: &str) -> Result<Nickname, String> {
        nickname_characters(value)?;
        // Digits of every script: the collation holds `１２３` and `123` to be equal.
        if value.chars().all(char::is_numeric) {
            return Err("must not be all digits, or it would be taken for a telephone number".to_owned());
        }
        Ok(Nickname(value.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl NicknamePrefix {
    pub fn parse(value: &str) -> Result<NicknamePrefix, String> {
        nickname_characters(value)?;
        Ok(NicknamePrefix(value.to_owned()))
    }

    /// For SQL's LIKE, in which `_` would stand for any character.
    pub fn pattern(&self, escape: char) -> String {
        format!("{}%", self.0.replace('_', &format!("{escape}_")))
    }
}

fn nickname_characters(value: &str) -> Result<(), String> {
    bounded(value, 1..=NICKNAME_MAX_CHARS)?;
    if !value.chars().all(|c| c.is_alphanumeric() || c == '.' || c == '_') {
        return Err("may hold letters, digits, `.` and `_` only".to_owned());
    }
    Ok(())
}

impl Phone {
    pub fn parse(value: &str) -> Result<Phone, String> {
        bounded(value, 1..=PHONE_MAX_CHARS)?;
        let number: String = value.chars().filter(|c| !" -.()".contains(*c)).collect();
        let digits = number.strip_prefix('+').unwrap_or(&number);
        if !PHONE_DIGITS.contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!(
                "must be a telephone number of {} to {} digits, with or without a leading `+`",
                PHONE_DIGITS.start(),
                PHONE_DIGITS.end()
            ));
        }
        Ok(Phone(number))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Password {
    pub fn parse(value: &str) -> Result<Password, String> {
        refuse_control(value)?;
        bounded(value, PASSWORD_CHARS)?;
        Ok(Password(value.to_owned()))
    }

    /// A password offered at sign-in: any that may ever have been accepted, so that a stricter rule for new ones locks
    /// nobody out.
    pub fn attempt(value: &str) -> Result<Password, String> {
        bounded(value, 1..=*PASSWORD_CHARS.end())?;
        Ok(Password(value.to_owned()))
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

impl SignInName {
    pub fn as_str(&self) -> &str {
        match self {
            SignInName::Email(email) => email.as_str(),
            SignInName::Phone(phone) => phone.as_str(),
            SignInName::Nickname(nickname) => nickname.as_str(),
        }
    }

    pub fn parse(value: &str) -> Result<SignInName, String> {
        if value.contains('@') {
            return Email::parse(value).map(SignInName::Email);
        }
        if let Ok(phone) = Phone::parse(value) {
            return Ok(SignInName::Phone(phone));
        }
        Nickname::parse(value)
            .map(SignInName::Nickname)
            .map_err(|_| "must be an e-mail address, a nickname or a telephone number".to_owned())
    }
}

/// Text of `chars` characters, as people count them only roughly: one code point is one character.
pub fn bounded(value: &str, chars: std::ops::RangeInclusive<usize>) -> Result<(), String> {
    let found = value.chars().count();
    if !chars.contains(&found) {
        return Err(format!(
            "must have {} to {} characters; it has {found}",
            chars.start(),
            chars.end()
        ));
    }
    Ok(())
}

fn refuse_control(value: &str) -> Result<(), String> {
    match value.chars().find(|c| c.is_control()) {
        Some(control) => Err(format!(
            "must not hold control characters such as U+{:04X}",
            u32::from(control)
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nickname_can_be_mistaken_for_neither_an_email_nor_a_telephone_number() {
        for good in ["gildong", "홍길동", "a.b_c", "1a", "ñandú", "_"] {
            assert_eq!(Nickname::parse(good).map(|name| name.0), Ok(good.to_owned()));
        }
        let too_long = "가".repeat(31);
        for bad in [
            "",
            "a@b",
            "123",
            "１２３",
            "a b",
            " a",
            "a-b",
            "🍣",
            "a\0b",
            "a\nb",
            &too_long,
            &"x".repeat(10_000),
        ] {
            assert!(Nickname::parse(bad).is_err(), "accepted {bad:?}");
        }
    }

    #[test]
    fn a_prefix_of_nicknames_stands_for_itself_alone_in_a_pattern() {
        let pattern = |prefix| NicknamePrefix::parse(prefix).map(|prefix| prefix.pattern('!'));
        assert_eq!(pattern("a_b"), Ok("a!_b%".to_owned()));
        assert_eq!(pattern("12"), Ok("12%".to_owned()));
        for bad in ["", "%", "a%", "a!", "a\\", "a\0", &"a".repeat(31)] {
            assert!(NicknamePrefix::parse(bad).is_err(), "accepted {bad:?}");
        }
    }

    #[test]
    fn an_email_address_has_a_local_part_and_a_dotted_domain() {
        for good in ["a@b.co", "first.last+tag@mail.example.com", "o'neil@x-y.kr"] {
            assert!(Email::parse(good).is_ok(), "refused {good:?}");
        }
        let too_long = format!("a@{}.com", "b".repeat(260));
        for bad in [
            "", "a", "@b.co", "a@", "a@b", "a@b..co", "a@-b.co", "a b@c.de", "a@b@c.de", "a\0@b.co", "é@b.co",
            &too_long,
        ] {
            assert!(Email::parse(bad).is_err(), "accepted {bad:?}");
        }
    }

    #[test]
    fn one_telephone_number_is_one_value_however_it_is_written() {
        for written in ["01012345678", "010-1234-5678", "010 1234 5678", "(010) 1234.5678"] {
            assert_eq!(Phone::parse(written).map(|phone| phone.0), Ok("01012345678".to_owned()));
        }
        assert_eq!(
            Phone::parse("+82 10-1234-5678").map(|phone| phone.0),
            Ok("+821012345678".to_owned())
        );
        for bad in [
            "",
            "1234567",
            "1234567890123456",
            "+",
            "0101234567a",
            "１２３４５６７８",
            "++8210123456",
        ] {
            assert!(Phone::parse(bad).is_err(), "accepted {bad:?}");
        }
    }

    #[test]
    fn a_sign_in_name_is_of_exactly_one_kind() {
        assert!(matches!(SignInName::parse("a@b.co"), Ok(SignInName::Email(_))));
        assert!(matches!(SignInName::parse("010-1234-5678"), Ok(SignInName::Phone(_))));
        assert!(matches!(SignInName::parse("홍길동"), Ok(SignInName::Nickname(_))));
        assert!(SignInName::parse("12345").is_err());
    }

    #[test]
    fn a_real_name_is_trimmed_and_keeps_its_emoji() {
        assert_eq!(
            RealName::parse("  홍 길동 🌸 ").map(|name| name.0),
            Ok("홍 길동 🌸".to_owned())
        );
        for bad in ["", "   ", "a\0", "a\u{7f}", &"x".repeat(51)] {
            assert!(RealName::parse(bad).is_err(), "accepted {bad:?}");
        }
    }

    #[test]
    fn a_password_is_never_shown_by_debug() {
        let password = Password::parse("correct horse").map(|password| format!("{password:?}"));
        assert_eq!(password, Ok("Password".to_owned()));
        for bad in ["short", "has\0zero-byte", &"x".repeat(129)] {
            assert!(Password::parse(bad).is_err(), "accepted {bad:?}");
        }
    }
}
