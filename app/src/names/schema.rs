//! How names are written, for the document.

use super::*;
use crate::interface::schema::{text, written_as};
use utoipa::openapi::Object;
use utoipa::openapi::schema::AnyOfBuilder;

const EMAIL: &str = concat!(
    r"^[!#-'*+\--9=?A-Z^-~]{1,64}@",
    r"([0-9A-Za-z]([0-9A-Za-z-]{0,61}[0-9A-Za-z])?\.)+",
    r"[0-9A-Za-z]([0-9A-Za-z-]{0,61}[0-9A-Za-z])?$"
);
const REAL_NAME: &str = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$";
// Beyond ASCII it says too little: not every reader of patterns knows what letters are in all scripts. The first half says
// nothing that the second does not, but lets what is made up by the pattern be a nickname every other time.
const NICKNAME: &str = r"^(?![0-9]+$)([.0-9A-Z_a-z]+|[^\x00-\x2d\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\xa0]+)$";
const NICKNAME_PREFIX: &str = r"^[^\x00-\x2d\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\xa0]+$";
const PHONE: &str = r"^[ .()-]*(\+[ .()-]*)?([0-9][ .()-]*){8,15}$";
const PASSWORD: &str = r"^[^\x00-\x1f\x7f-\x9f]*$";

written_as!(
    Email,
    text(3..=EMAIL_MAX_CHARS)
        .pattern(Some(EMAIL))
        .examples(["gildong@example.com"])
);
written_as!(
    RealName,
    text(1..=REAL_NAME_MAX_CHARS)
        .pattern(Some(REAL_NAME))
        .examples(["홍길동"])
);
written_as!(
    Nickname,
    text(1..=NICKNAME_MAX_CHARS)
        .pattern(Some(NICKNAME))
        .examples(["gildong"])
);
written_as!(
    NicknamePrefix,
    text(1..=NICKNAME_MAX_CHARS)
        .pattern(Some(NICKNAME_PREFIX))
        .examples(["gil"])
);
written_as!(
    Phone,
    text(*PHONE_DIGITS.start()..=PHONE_MAX_CHARS)
        .pattern(Some(PHONE))
        .examples(["010-1234-5678"])
);
written_as!(
    Password,
    text(PASSWORD_CHARS)
        .pattern(Some(PASSWORD))
        .examples(["correct horse battery"])
);
written_as!(
    SignInName,
    AnyOfBuilder::new()
        .item(Email::schema())
        .item(Phone::schema())
        .item(Nickname::schema())
);

/// An id has no more digits than a nickname may have, and is all digits as no nickname is.
pub fn nickname_or_id() -> Object {
    text(1..=NICKNAME_MAX_CHARS).pattern(Some(NICKNAME_PREFIX)).build()
}

/// A password offered at sign-in.
pub fn attempt() -> Object {
    text(1..=*PASSWORD_CHARS.end()).build()
}
