//! The one shape of every error (RFC 9457 `application/problem+json`) and the table of their codes.
//!
//! A handler returns a [`Problem`]; `request::observe` writes it out, because only it knows the request's id.

use crate::database::{is_away, is_deadlock, is_lock_timeout};
use crate::interface::schema;
use crate::language::Language;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use std::borrow::Cow;
use utoipa::openapi::{Object, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

pub const CONTENT_TYPE: &str = "application/problem+json";

/// Makes the enum and the table of one row a code: its status, its name, and its message in both languages.
macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident, $status:ident, $name:literal, $english:literal, $korean:literal;)+) => {
        /// Stable names that clients branch on; never renamed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $($(#[$doc])* $code,)+
        }

        impl Code {
            const ALL: &[Code] = &[$(Code::$code,)+];

            fn facts(self) -> Facts {
                match self {
                    $(Code::$code => Facts {
                        status: StatusCode::$status,
                        name: $name,
                        english: $english,
                        korean: $korean,
                    },)+
                }
            }
        }
    };
}

struct Facts {
    status: StatusCode,
    name: &'static str,
    english: &'static str,
    korean: &'static str,
}

codes! {
    InvalidJson, BAD_REQUEST, "INVALID_JSON", "The body is not valid JSON", "요청 본문이 올바른 JSON이 아닙니다";
    InvalidFields, UNPROCESSABLE_ENTITY, "INVALID_FIELDS", "Some fields are not right", "입력 값이 올바르지 않습니다";
    BodyTooLarge, PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", "The body is too large", "요청 본문이 너무 큽니다";
    NotJson, UNSUPPORTED_MEDIA_TYPE, "NOT_JSON", "The body must be application/json", "요청 본문은 application/json이어야 합니다";
    SignInNeeded, UNAUTHORIZED, "SIGN_IN_NEEDED", "Sign in first", "로그인이 필요합니다";
    InvalidToken, UNAUTHORIZED, "INVALID_TOKEN", "The access token is not valid", "액세스 토큰이 유효하지 않습니다";
    ExpiredToken, UNAUTHORIZED, "EXPIRED_TOKEN", "The access token has expired", "액세스 토큰이 만료되었습니다";
    InvalidRefreshToken, UNAUTHORIZED, "INVALID_REFRESH_TOKEN", "The session is over; sign in again", "세션이 끝났습니다. 다시 로그인해 주세요";
    WrongCredentials, UNAUTHORIZED, "WRONG_CREDENTIALS", "Wrong name or password", "이름 또는 비밀번호가 올바르지 않습니다";
    WrongPassword, FORBIDDEN, "WRONG_PASSWORD", "This is not the password", "비밀번호가 올바르지 않습니다";
    TooManyAttempts, TOO_MANY_REQUESTS, "TOO_MANY_ATTEMPTS", "Too many wrong passwords; try again later", "비밀번호를 너무 많이 틀렸습니다. 잠시 후 다시 시도해 주세요";
    TakenEmail, CONFLICT, "TAKEN_EMAIL", "This e-mail address is taken", "이미 사용 중인 이메일입니다";
    TakenNickname, CONFLICT, "TAKEN_NICKNAME", "This nickname is taken", "이미 사용 중인 닉네임입니다";
    TakenPhone, CONFLICT, "TAKEN_PHONE", "This telephone number is taken", "이미 사용 중인 전화번호입니다";
    ReusedIdempotencyKey, UNPROCESSABLE_ENTITY, "REUSED_IDEMPOTENCY_KEY", "This idempotency key came with another body before", "이미 다른 본문으로 사용한 멱등성 키입니다";
    FollowSelf, UNPROCESSABLE_ENTITY, "FOLLOW_SELF", "Nobody follows himself", "자기 자신은 팔로우할 수 없습니다";
    NotFoundMember, NOT_FOUND, "NOT_FOUND_MEMBER", "There is no such member", "회원이 존재하지 않습니다";
    NotFoundComment, NOT_FOUND, "NOT_FOUND_COMMENT", "There is no such comment", "댓글이 존재하지 않습니다";
    NotFoundMedia, NOT_FOUND, "NOT_FOUND_MEDIA", "There is no such photo or file", "사진이나 파일이 존재하지 않습니다";
    NotFoundMessage, NOT_FOUND, "NOT_FOUND_MESSAGE", "There is no such message", "메시지가 존재하지 않습니다";
    NotFoundRoom, NOT_FOUND, "NOT_FOUND_ROOM", "There is no such room", "대화방이 존재하지 않습니다";
    NotFoundPost, NOT_FOUND, "NOT_FOUND_POST", "There is no such post", "게시글이 존재하지 않습니다";
    NotFoundRoute, NOT_FOUND, "NOT_FOUND_ROUTE", "There is nothing at this address", "요청한 주소가 존재하지 않습니다";
    NotYourPost, FORBIDDEN, "NOT_YOUR_POST", "This post is another member's", "다른 회원의 게시글입니다";
    NotYourComment, FORBIDDEN, "NOT_YOUR_COMMENT", "This comment is another member's", "다른 회원의 댓글입니다";
    WithdrawnMember, CONFLICT, "WITHDRAWN_MEMBER", "The other member has withdrawn", "상대 회원이 탈퇴했습니다";
    InvalidForm, BAD_REQUEST, "INVALID_FORM", "The body is not a valid form", "요청 본문이 올바른 폼이 아닙니다";
    NotForm, UNSUPPORTED_MEDIA_TYPE, "NOT_FORM", "The body must be multipart/form-data", "요청 본문은 multipart/form-data여야 합니다";
    NotUploaded, CONFLICT, "NOT_UPLOADED", "Nothing has been uploaded yet", "아직 업로드되지 않았습니다";
    NoBucket, SERVICE_UNAVAILABLE, "NO_BUCKET", "There is no place for photos here", "사진을 저장할 곳이 없습니다";
    BucketUnavailable, SERVICE_UNAVAILABLE, "BUCKET_UNAVAILABLE", "Photos are away; try again", "사진 저장소에 연결할 수 없습니다. 다시 시도해 주세요";
    MethodNotAllowed, METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "This address has no such method", "이 주소에서 지원하지 않는 메서드입니다";
    Busy, SERVICE_UNAVAILABLE, "BUSY", "Too much to do at once; try again", "요청이 너무 많습니다. 다시 시도해 주세요";
    TimedOut, SERVICE_UNAVAILABLE, "TIMED_OUT", "This took too long; try again", "처리 시간이 초과되었습니다. 다시 시도해 주세요";
    DatabaseUnavailable, SERVICE_UNAVAILABLE, "DATABASE_UNAVAILABLE", "The database is away; try again", "데이터베이스에 연결할 수 없습니다. 다시 시도해 주세요";
    Internal, INTERNAL_SERVER_ERROR, "INTERNAL", "Something went wrong here", "서버에 문제가 발생했습니다";
    /// An error that the HTTP library answered by itself.
    Refused, BAD_REQUEST, "REFUSED", "The request was refused", "요청이 거부되었습니다";
}

impl Code {
    pub fn status(self) -> StatusCode {
        self.facts().status
    }

    pub fn name(self) -> &'static str {
        self.facts().name
    }

    pub fn english(self) -> &'static str {
        self.facts().english
    }

    pub fn named(name: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.name() == name)
    }

    fn title(self, language: Language) -> &'static str {
        match language {
            Language::English => self.facts().english,
            Language::Korean => self.facts().korean,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Problem {
    code: Code,
    status: StatusCode,
    detail: Option<String>,
    errors: Vec<FieldError>,
    retry_after_secs: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct FieldError {
    field: Cow<'static, str>,
    detail: String,
}

/// A problem as it is written out.
#[derive(Serialize, ToSchema)]
struct Body<'a> {
    r#type: &'a str,
    title: &'a str,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    #[schema(schema_with = all_codes)]
    code: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<&'a str>,
    /// The fields that are not right.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(inline, required = false)]
    errors: &'a [FieldError],
}

fn all_codes() -> Object {
    schema::one_of(Code::ALL.iter().map(|code| code.name())).build()
}

pub fn schema() -> RefOr<Schema> {
    Body::schema()
}

impl Problem {
    pub fn new(code: Code) -> Problem {
        Problem {
            code,
            status: code.status(),
            detail: None,
            errors: Vec::new(),
            retry_after_secs: (code.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(1),
        }
    }

    pub fn with_detail(self, detail: impl Into<String>) -> Problem {
        Problem {
            detail: Some(detail.into()),
            ..self
        }
    }

    pub fn with_retry_after_secs(self, secs: u64) -> Problem {
        Problem {
            retry_after_secs: Some(secs),
            ..self
        }
    }

    pub fn with_field(mut self, field: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Problem {
        self.errors.push(FieldError {
            field: field.into(),
            detail: detail.into(),
        });
        self
    }

    /// For what nobody outside may see: the cause goes to the log, under the request's id, and not into the answer.
    pub fn internal(cause: &dyn std::fmt::Display) -> Problem {
        tracing::error!(%cause, "request failed");
        Problem::new(Code::Internal)
    }

    /// For error answers made by the HTTP library rather than by a handler.
    pub fn of_status(status: StatusCode) -> Problem {
        let code = match status {
            StatusCode::NOT_FOUND => Code::NotFoundRoute,
            StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => Code::BodyTooLarge,
            status if status.is_server_error() => Code::Internal,
            _ => Code::Refused,
        };
        Problem {
            status,
            ..Problem::new(code)
        }
    }

    pub fn code(&self) -> &'static str {
        self.code.name()
    }

    /// Nothing has happened, and may at once be tried again.
    pub fn is_busy(&self) -> bool {
        self.code == Code::Busy
    }

    /// The title is in the reader's language; details, which are for developers, are in English.
    pub fn render(&self, request_id: &str, language: Language) -> String {
        let body = Body {
            r#type: "about:blank",
            title: self.code.title(language),
            status: self.status.as_u16(),
            code: self.code.name(),
            request_id,
            detail: self.detail.as_deref(),
            errors: &self.errors,
        };
        json!(body).to_string()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(secs) = self.retry_after_secs {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Problem {
        match error {
            error if is_away(&error) => {
                tracing::warn!(cause = %error, "database unavailable");
                Problem::new(Code::DatabaseUnavailable)
            }
            error if is_deadlock(&error) => Problem::new(Code::Busy),
            error if is_lock_timeout(&error) => Problem::new(Code::TimedOut),
            error => Problem::internal(&error),
        }
    }
}

/// Collects what is wrong with the fields of one body, so that a form can show all of it at once.
#[derive(Debug, Default)]
pub struct Fields(Vec<(&'static str, String)>);

impl Fields {
    pub fn check<T>(&mut self, field: &'static str, value: Result<T, String>) -> Option<T> {
        value.map_err(|detail| self.0.push((field, detail))).ok()
    }

    pub fn into_problem(self) -> Problem {
        let problem = Problem::new(Code::InvalidFields);
        self.0
            .into_iter()
            .fold(problem, |problem, (field, detail)| problem.with_field(field, detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_has_a_name_of_its_own_and_a_message_in_both_languages() {
        let is_hangul = |c: char| ('가'..='힣').contains(&c);
        let mut names = BTreeSet::new();
        for code in Code::ALL {
            let Facts {
                name, english, korean, ..
            } = code.facts();
            assert!(names.insert(name), "{name} is there twice");
            assert!(name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{name}");
            assert!(english.is_ascii() && english.contains(' '), "{name}: {english}");
            assert!(korean.chars().any(is_hangul), "{name}: {korean}");
        }
    }

    #[test]
    fn the_title_is_in_the_language_asked_for_and_all_else_is_the_same() {
        let problem = Problem::new(Code::NotFoundPost);
        let render = |language| problem.render("test", language);
        assert!(render(Language::Korean).contains("게시글이 존재하지 않습니다"));
        let (korean, english) = (Code::NotFoundPost.facts().korean, Code::NotFoundPost.facts().english);
        assert_eq!(
            render(Language::Korean).replace(korean, english),
            render(Language::English)
        );
    }
}
