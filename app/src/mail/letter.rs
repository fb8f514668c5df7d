//! A plain text in any language as an Internet message (RFC 5322), in ASCII throughout.

use crate::names::{Email, RealName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::time::SystemTime;

/// An encoded word has at most 75 characters (RFC 2047), 12 of which are its frame: 60 of base64 carry 45 bytes.
const ENCODED_WORD_BYTES: usize = 45;
const BODY_LINE_CHARS: usize = 76;

#[derive(Debug)]
pub struct Letter<'a> {
    pub to: &'a Email,
    pub to_name: &'a RealName,
    pub subject: String,
    pub text: String,
}

/// Unique in the world; also a file name, for it holds letters, digits, `.`, `-` and one `@`.
pub fn message_id(from: &Email) -> String {
    let domain = from.as_str().rsplit('@').next().unwrap_or_default();
    format!("{:032x}@{domain}", rand::random::<u128>())
}

impl Letter<'_> {
    /// No header can be injected: names and subject are encoded, and an address has neither spaces nor line ends.
    pub fn render(&self, from: &Email, id: &str, date: SystemTime) -> String {
        let headers = [
            ("From", format!("Instagram <{}>", from.as_str())),
            (
                "To",
                format!("{}\r\n <{}>", encoded(self.to_name.as_str()), self.to.as_str()),
            ),
            ("Subject", encoded(&self.subject)),
            ("Date", httpdate::fmt_http_date(date).replace("GMT", "+0000")),
            ("Message-ID", format!("<{id}>")),
            ("Auto-Submitted", "auto-generated".to_owned()),
            ("MIME-Version", "1.0".to_owned()),
            ("Content-Type", "text/plain; charset=utf-8".to_owned()),
            ("Content-Transfer-Encoding", "base64".to_owned()),
        ];
        let headers: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        format!("{headers}\r\n{}", body(&self.text))
    }
}

/// Encoded words, one a line, each of whole characters.
fn encoded(text: &str) -> String {
    let mut words = vec![String::new()];
    for character in text.chars() {
        if words
            .last()
            .is_some_and(|word| word.len() + character.len_utf8() > ENCODED_WORD_BYTES)
        {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(character);
        }
    }
    let words: Vec<String> = words
        .iter()
        .map(|word| format!("=?UTF-8?B?{}?=", STANDARD.encode(word)))
        .collect();
    words.join("\r\n ")
}

fn body(text: &str) -> String {
    let encoded = STANDARD.encode(text.replace('\n', "\r\n"));
    let mut lines = String::new();
    for (at, character) in encoded.chars().enumerate() {
        if at > 0 && at % BODY_LINE_CHARS == 0 {
            lines.push_str("\r\n");
        }
        lines.push(character);
    }
    lines + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn rendered(name: &str, subject: &str, text: &str) -> String {
        let address = |text| Email::parse(text).unwrap_or_else(|error| panic!("{text} {error}"));
        let letter = Letter {
            to: &address("gildong@example.com"),
            to_name: &RealName::parse(name).unwrap_or_else(|error| panic!("{name} {error}")),
            subject: subject.to_owned(),
            text: text.to_owned(),
        };
        letter.render(
            &address("no-reply@instagram.example"),
            "1@instagram.example",
            UNIX_EPOCH,
        )
    }

    #[test]
    fn a_letter_in_hangul_is_an_ascii_message() {
        assert_eq!(
            rendered("홍 길동", "환영합니다", "안녕하세요\n🌸"),
            "From: Instagram <no-reply@instagram.example>\r\n\
             To: =?UTF-8?B?7ZmNIOq4uOuPmQ==?=\r\n <gildong@example.com>\r\n\
             Subject: =?UTF-8?B?7ZmY7JiB7ZWp64uI64uk?=\r\n\
             Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n\
             Message-ID: <1@instagram.example>\r\n\
             Auto-Submitted: auto-generated\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: base64\r\n\
             \r\n\
             7JWI64WV7ZWY7IS47JqUDQrwn4y4\r\n"
        );
    }

    #[test]
    fn no_line_is_too_long_and_no_character_is_split_however_long_name_and_text() {
        let message = rendered(&"가".repeat(50), &"나🌸".repeat(100), &"다".repeat(5_000));
        for line in message.split("\r\n") {
            assert!(line.is_ascii() && line.len() <= 85, "{line}");
        }
        let name: String = encoded(&"가🌸".repeat(50))
            .split("\r\n ")
            .map(|word| {
                assert!(word.len() <= 75, "{word}");
                let base64 = word.trim_start_matches("=?UTF-8?B?").trim_end_matches("?=");
                String::from_utf8(STANDARD.decode(base64).expect("base64")).expect("whole characters")
            })
            .collect();
        assert_eq!(name, "가🌸".repeat(50));
    }

    #[test]
    fn a_name_or_subject_can_add_no_header() {
        let message = rendered("a <x@y.z>, \"b\" Bcc: c@d.co", "Hi\r\nBcc: c@d.co", "text\r\n.\r\nQUIT");
        let names: Vec<&str> = message
            .split("\r\n")
            .take_while(|line| !line.is_empty())
            .filter(|line| !line.starts_with(' '))
            .filter_map(|line| line.split(':').next())
            .collect();
        assert_eq!(names.len(), 9, "{message}");
        assert!(
            !message.contains("c@d.co") && !message.contains("\r\n.\r\n"),
            "{message}"
        );
    }

    #[test]
    fn a_message_id_is_a_safe_file_name_and_never_the_same() {
        let from = Email::parse("no-reply@instagram.example").expect("an address");
        let (one, other) = (message_id(&from), message_id(&from));
        assert_ne!(one, other);
        assert!(one.ends_with("@instagram.example") && !one.contains('/'), "{one}");
    }
}
