//! The one shape of every error (RFC 9457 `application/problem+json`) and the table of their codes.
//!
//! A handler returns a [`Problem`]; `request::observe` writes it out, because only it knows the request's id.

use crate::database::is_deadlock;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::borrow::Cow;

/// Stable names that clients branch on; never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    InvalidJson,
    InvalidFields,
    BodyTooLarge,
    NotJson,
    SignInNeeded,
    InvalidToken,
    ExpiredToken,
    InvalidRefreshToken,
    WrongCredentials,
    WrongPassword,
    TooManyAttempts,
    TakenEmail,
    TakenNickname,
    TakenPhone,
    NotFoundMember,
    NotFoundMessage,
    FollowSelf,
    NotFoundPost,
    NotFoundComment,
    NotFoundMedia,
    NotYourPost,
    NotYourComment,
    InvalidForm,
    NotForm,
    NotUploaded,
    NoBucket,
    BucketUnavailable,
    NotFoundRoom,
    NotFoundRoute,
    WithdrawnMember,
    MethodNotAllowed,
    Busy,
    TimedOut,
    DatabaseUnavailable,
    Internal,
    /// An error that the HTTP library answered by itself.
    Refused,
}

impl Code {
    fn facts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Code::InvalidJson => (StatusCode::BAD_REQUEST, "INVALID_JSON", "The body is not valid JSON"),
            Code::InvalidFields => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "INVALID_FIELDS",
                "Some fields are not right",
            ),
            Code::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", "The body is too large"),
            Code::NotJson => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "NOT_JSON",
                "The body must be application/json",
            ),
            Code::SignInNeeded => (StatusCode::UNAUTHORIZED, "SIGN_IN_NEEDED", "Sign in first"),
            Code::InvalidToken => (
                StatusCode::UNAUTHORIZED,
                "INVALID_TOKEN",
                "The access token is not valid",
            ),
            Code::ExpiredToken => (
                StatusCode::UNAUTHORIZED,
                "EXPIRED_TOKEN",
                "The access token has expired",
            ),
            Code::InvalidRefreshToken => (
                StatusCode::UNAUTHORIZED,
                "INVALID_REFRESH_TOKEN",
                "The session is over; sign in again",
            ),
            Code::WrongCredentials => (StatusCode::UNAUTHORIZED, "WRONG_CREDENTIALS", "Wrong name or password"),
            Code::WrongPassword => (StatusCode::FORBIDDEN, "WRONG_PASSWORD", "This is not the password"),
            Code::TooManyAttempts => (
                StatusCode::TOO_MANY_REQUESTS,
                "TOO_MANY_ATTEMPTS",
                "Too many wrong passwords; try again later",
            ),
            Code::TakenEmail => (StatusCode::CONFLICT, "TAKEN_EMAIL", "This e-mail address is taken"),
            Code::TakenNickname => (StatusCode::CONFLICT, "TAKEN_NICKNAME", "This nickname is taken"),
            Code::TakenPhone => (StatusCode::CONFLICT, "TAKEN_PHONE", "This telephone number is taken"),
            Code::NotFoundMember => (StatusCode::NOT_FOUND, "NOT_FOUND_MEMBER", "There is no such member"),
            Code::NotFoundMessage => (StatusCode::NOT_FOUND, "NOT_FOUND_MESSAGE", "There is no such message"),
            Code::FollowSelf => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "FOLLOW_SELF",
                "Nobody follows himself",
            ),
            Code::NotFoundPost => (StatusCode::NOT_FOUND, "NOT_FOUND_POST", "There is no such post"),
            Code::NotFoundComment => (StatusCode::NOT_FOUND, "NOT_FOUND_COMMENT", "There is no such comment"),
            Code::NotFoundMedia => (StatusCode::NOT_FOUND, "NOT_FOUND_MEDIA", "There is no such photo"),
            Code::NotFoundRoom => (StatusCode::NOT_FOUND, "NOT_FOUND_ROOM", "There is no such room"),
            Code::NotFoundRoute => (
                StatusCode::NOT_FOUND,
                "NOT_FOUND_ROUTE",
                "There is nothing at this address",
            ),
            Code::NotYourPost => (StatusCode::FORBIDDEN, "NOT_YOUR_POST", "This post is another member's"),
            Code::NotYourComment => (
                StatusCode::FORBIDDEN,
                "NOT_YOUR_COMMENT",
                "This comment is another member's",
            ),
            Code::InvalidForm => (StatusCode::BAD_REQUEST, "INVALID_FORM", "The body is not a valid form"),
            Code::NotForm => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "NOT_FORM",
                "The body must be multipart/form-data",
            ),
            Code::NotUploaded => (StatusCode::CONFLICT, "NOT_UPLOADED", "Nothing has been uploaded yet"),
            Code::NoBucket => (
                StatusCode::SERVICE_UNAVAILABLE,
                "NO_BUCKET",
                "There is no place for photos here",
            ),
            Code::BucketUnavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "BUCKET_UNAVAILABLE",
                "Photos are away; try again",
            ),
            Code::WithdrawnMember => (
                StatusCode::CONFLICT,
                "WITHDRAWN_MEMBER",
                "The other member has withdrawn",
            ),
            Code::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "METHOD_NOT_ALLOWED",
                "This address has no such method",
            ),
            Code::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "BUSY",
                "Too much to do at once; try again",
            ),
            Code::TimedOut => (
                StatusCode::SERVICE_UNAVAILABLE,
                "TIMED_OUT",
                "This took too long; try again",
            ),
            Code::DatabaseUnavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "DATABASE_UNAVAILABLE",
                "The database is away; try again",
            ),
            Code::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "INTERNAL",
                "Something went wrong here",
            ),
            Code::Refused => (StatusCode::BAD_REQUEST, "REFUSED", "The request was refused"),
        }
    }

    pub fn status(self) -> StatusCode {
        self.facts().0
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

#[derive(Debug, Clone, PartialEq, Eq)]
struct FieldError {
    field: Cow<'static, str>,
    detail: String,
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
        self.code.facts().1
    }

    pub fn render(&self, request_id: &str) -> String {
        let (_, code, title) = self.code.facts();
        let mut body = json!({
            "type": "about:blank",
            "title": title,
            "status": self.status.as_u16(),
            "code": code,
            "request_id": request_id,
        });
        if let Some(detail) = &self.detail {
            body["detail"] = json!(detail);
        }
        if !self.errors.is_empty() {
            body["errors"] = self
                .errors
                .iter()
                .map(|error| json!({ "field": error.field, "detail": error.detail }))
                .collect();
        }
        body.to_string()
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
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Tls(_) => {
                tracing::warn!(cause = %error, "database unavailable");
                Problem::new(Code::DatabaseUnavailable)
            }
            error if is_deadlock(&error) => Problem::new(Code::Busy),
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
