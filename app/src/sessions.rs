//! Sessions: a name and a password for an access token.

use crate::app::App;
use crate::body::Json;
use crate::members::MemberId;
use crate::names::{Password, SignInName};
use crate::problem::{Code, Fields, Problem};
use crate::token;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, MySqlPool};

pub fn routes() -> Router<App> {
    Router::new().route("/api/sessions", post(sign_in))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignInBody {
    name: String,
    password: String,
}

#[derive(Serialize)]
struct Session {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
}

#[derive(FromRow)]
struct Credentials {
    id: MemberId,
    password_hash: String,
}

impl SignInBody {
    fn parse(self) -> Result<(SignInName, Password), Problem> {
        let mut fields = Fields::default();
        let name = fields.check("name", SignInName::parse(&self.name));
        let password = fields.check("password", Password::attempt(&self.password));
        name.zip(password).ok_or_else(|| fields.into_problem())
    }
}

async fn sign_in(
    State(app): State<App>,
    Json(body): Json<SignInBody>,
) -> Result<(StatusCode, axum::Json<Session>), Problem> {
    let (name, password) = body.parse()?;
    let (id, hash) = match find(&app.database.pool, &name).await? {
        Some(credentials) => (Some(credentials.id), Some(credentials.password_hash)),
        None => (None, None),
    };
    let is_right = app.passwords.verify(password, hash).await?;
    let Some(id) = id.filter(|_| is_right) else {
        return Err(Problem::new(Code::WrongCredentials));
    };
    let session = Session {
        access_token: app.tokens.issue(id)?,
        token_type: "Bearer",
        expires_in: token::LIFETIME.as_secs(),
    };
    Ok((StatusCode::CREATED, axum::Json(session)))
}

async fn find(pool: &MySqlPool, name: &SignInName) -> sqlx::Result<Option<Credentials>> {
    let (query, value) = match name {
        SignInName::Email(email) => ("SELECT id, password_hash FROM members WHERE email = ?", email.as_str()),
        SignInName::Phone(phone) => ("SELECT id, password_hash FROM members WHERE phone = ?", phone.as_str()),
        SignInName::Nickname(nickname) => (
            "SELECT id, password_hash FROM members WHERE nickname = ?",
            nickname.as_str(),
        ),
    };
    sqlx::query_as(query).bind(value).fetch_optional(pool).await
}
