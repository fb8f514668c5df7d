//! Sessions: a name and a password for an access token and a refresh token, and a refresh token for the next two.
//!
//! An access token is believed without asking the database, so it lives on for its quarter of an hour after its session
//! has ended.

use crate::address::ClientAddress;
use crate::app::App;
use crate::attempts::{Attempt, Subject};
use crate::body::Json;
use crate::database::{Pool, despite_deadlocks};
use crate::interface::Routes;
use crate::members::MemberId;
use crate::names::{self, Password, SignInName};
use crate::problem::{Code, Fields, Problem};
use crate::refresh::{self, RefreshToken};
use crate::token;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use utoipa::ToSchema;
use utoipa_axum::routes;

pub fn routes() -> Routes {
    Routes::of("Sessions")
        .with(routes!(sign_in))
        .with(routes!(refresh))
        .with(routes!(log_out))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignInBody {
    /// An e-mail address, a nickname or a telephone number
    #[schema(value_type = SignInName)]
    name: String,
    #[schema(schema_with = names::attempt)]
    password: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefreshBody {
    refresh_token: String,
}

#[derive(Serialize, ToSchema)]
struct Session {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    refresh_token: String,
    refresh_expires_in: u64,
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

/// Sign in
#[utoipa::path(
    post,
    path = "/api/sessions",
    request_body = SignInBody,
    responses(
        (status = 201, body = Session),
        (status = 401, description = "WRONG_CREDENTIALS"),
        (status = 429, description = "TOO_MANY_ATTEMPTS"),
    ),
)]
async fn sign_in(
    State(app): State<App>,
    address: ClientAddress,
    Json(body): Json<SignInBody>,
) -> Result<(StatusCode, axum::Json<Session>), Problem> {
    let (name, password) = body.parse()?;
    let pool = &app.database.pool;
    let mut attempt = Attempt::new(pool);
    attempt.count(Subject::Address(address)).await?;
    let (id, hash) = match find(pool, &name).await? {
        Some(credentials) => (Some(credentials.id), Some(credentials.password_hash)),
        None => (None, None),
    };
    let account = id.map_or_else(|| Subject::Name(name.as_str().to_owned()), Subject::Member);
    attempt.count(account).await?;
    let is_right = attempt.verify(&app.passwords, password, hash.clone()).await?;
    let Some((id, hash)) = id.zip(hash).filter(|_| is_right) else {
        return Err(Problem::new(Code::WrongCredentials));
    };
    let token = despite_deadlocks(|| refresh::start(pool, id, &hash)).await?;
    let token = token.ok_or_else(|| Problem::new(Code::WrongCredentials))?;
    Ok((StatusCode::CREATED, axum::Json(Session::new(&app, id, &token)?)))
}

/// Get the next tokens
///
/// A refresh token works once; one that is used twice ends its session.
#[utoipa::path(
    post,
    path = "/api/sessions/refresh",
    request_body = RefreshBody,
    responses((status = 200, body = Session), (status = 401, description = "INVALID_REFRESH_TOKEN")),
)]
async fn refresh(State(app): State<App>, Json(body): Json<RefreshBody>) -> Result<axum::Json<Session>, Problem> {
    let token = RefreshToken::parse(&body.refresh_token)?;
    let (member, next) = refresh::rotate(&app.database.pool, &token).await?;
    Session::new(&app, member, &next).map(axum::Json)
}

/// Sign out
///
/// Needs no access token, which may have expired, and says nothing of whether there was a session.
#[utoipa::path(
    post,
    path = "/api/sessions/logout",
    request_body = RefreshBody,
    responses((status = 204)),
)]
async fn log_out(State(app): State<App>, Json(body): Json<RefreshBody>) -> Result<StatusCode, Problem> {
    if let Ok(token) = RefreshToken::parse(&body.refresh_token) {
        refresh::end(&app.database.pool, &token).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

impl Session {
    fn new(app: &App, member: MemberId, refresh_token: &RefreshToken) -> Result<Session, Problem> {
        Ok(Session {
            access_token: app.tokens.issue(member)?,
            token_type: "Bearer",
            expires_in: token::LIFETIME.as_secs(),
            refresh_token: refresh_token.render(),
            refresh_expires_in: refresh::LIFETIME.as_secs(),
        })
    }
}

async fn find(pool: &Pool, name: &SignInName) -> sqlx::Result<Option<Credentials>> {
    let query = match name {
        SignInName::Email(_) => "SELECT id, password_hash FROM members WHERE email = ?",
        SignInName::Phone(_) => "SELECT id, password_hash FROM members WHERE phone = ?",
        SignInName::Nickname(_) => "SELECT id, password_hash FROM members WHERE nickname = ?",
    };
    sqlx::query_as(query).bind(name.as_str()).fetch_optional(pool).await
}
