//! Members: signing up, who am I, and what others see of me.

mod account;
mod profile;

use crate::app::App;
use crate::database::{Pool, violated_unique_key};
use crate::idempotency::{self, Claim, Create, IdempotencyKey};
use crate::interface::Routes;
use crate::interface::schema::{self, moment, written_as};
use crate::jobs;
use crate::names::{self, Email, Nickname, Password, Phone, RealName};
use crate::path::named_in_path;
use crate::problem::{Code, Fields, Problem};
use crate::token::SignedIn;
use crate::welcome;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, MySqlConnection, MySqlExecutor};
use utoipa::ToSchema;
use utoipa_axum::routes;

pub fn routes() -> Routes {
    Routes::of("Members")
        .with(routes!(profile::search, sign_up))
        .with(routes!(profile::show))
        .with(routes!(me, account::change))
        .with(routes!(account::withdraw))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, sqlx::Type)]
#[sqlx(transparent)]
pub struct MemberId(pub u64);

written_as!(MemberId, schema::id());

/// How an address names a member: no nickname is all digits, so an id cannot be mistaken for one.
#[derive(Debug)]
pub enum MemberName {
    Id(MemberId),
    Nickname(Nickname),
}

written_as!(MemberName, names::nickname_or_id());
named_in_path!(
    MemberName,
    "member",
    "The id or the nickname of a member",
    MemberName::parse,
    NotFoundMember
);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignUpBody {
    #[schema(value_type = Email)]
    email: String,
    #[schema(value_type = RealName)]
    real_name: String,
    #[schema(value_type = Nickname)]
    nickname: String,
    #[schema(value_type = Password)]
    password: String,
    #[schema(value_type = Option<Phone>)]
    phone: Option<String>,
}

struct SignUp {
    email: Email,
    real_name: RealName,
    nickname: Nickname,
    password: Password,
    phone: Option<Phone>,
}

/// A member as only that member sees it.
#[derive(Debug, Serialize, FromRow, ToSchema)]
struct Member {
    id: MemberId,
    email: String,
    real_name: String,
    nickname: String,
    #[schema(required = true)]
    phone: Option<String>,
    #[schema(schema_with = moment)]
    created_at: String,
}

impl MemberName {
    /// What can be nobody's name names nobody.
    fn parse(value: String) -> Option<MemberName> {
        if let Ok(id) = value.parse() {
            return Some(MemberName::Id(MemberId(id)));
        }
        Nickname::parse(&value).map(MemberName::Nickname).ok()
    }
}

impl SignUpBody {
    fn parse(self) -> Result<SignUp, Problem> {
        let mut fields = Fields::default();
        let email = fields.check("email", Email::parse(&self.email));
        let real_name = fields.check("real_name", RealName::parse(&self.real_name));
        let nickname = fields.check("nickname", Nickname::parse(&self.nickname));
        let password = fields.check("password", Password::parse(&self.password));
        let phone = fields.check("phone", self.phone.as_deref().map(Phone::parse).transpose());
        match (email, real_name, nickname, password, phone) {
            (Some(email), Some(real_name), Some(nickname), Some(password), Some(phone)) => Ok(SignUp {
                email,
                real_name,
                nickname,
                password,
                phone,
            }),
            _ => Err(fields.into_problem()),
        }
    }
}

/// Sign up
#[utoipa::path(
    post,
    path = "/api/members",
    params(IdempotencyKey),
    request_body = SignUpBody,
    responses(
        (status = 201, body = Member, headers(("location" = String))),
        (status = 409, description = "TAKEN_EMAIL, TAKEN_NICKNAME, TAKEN_PHONE"),
    ),
)]
async fn sign_up(State(app): State<App>, Create { body, key }: Create<SignUpBody>) -> Result<Response, Problem> {
    let sign_up = body.parse()?;
    let hash = app.passwords.hash(sign_up.password.clone()).await?;
    let answer = idempotency::despite_deadlocks(|| make(&app, &key, &sign_up, &hash)).await?;
    app.bell.ring(jobs::Kind::Mail);
    Ok(answer)
}

async fn make(app: &App, key: &IdempotencyKey, sign_up: &SignUp, password_hash: &str) -> Result<Response, Problem> {
    let mut creating = match key.claim(&app.database.pool, None).await? {
        Claim::New(creating) => creating,
        Claim::Answered(answer) => return Ok(answer),
    };
    let transaction = creating.transaction();
    let id = insert(transaction, sign_up, password_hash).await.map_err(taken)?;
    welcome::enqueue(transaction, app, &sign_up.email, &sign_up.real_name).await?;
    let member = find(&mut *transaction, id).await?;
    let member = member.ok_or_else(|| Problem::internal(&"a member is gone as soon as made"))?;
    creating.finish(id, &format!("/api/members/{}", id.0), &member).await
}

/// Show who is signed in
#[utoipa::path(get, path = "/api/me", security(("bearer" = [])), responses((status = 200, body = Member)))]
async fn me(State(app): State<App>, SignedIn(id): SignedIn) -> Result<axum::Json<Member>, Problem> {
    // A token outlives its member at most by its lifetime.
    find(&app.database.pool, id)
        .await?
        .map(axum::Json)
        .ok_or_else(|| Problem::new(Code::InvalidToken))
}

/// Who was first is decided by the database alone: looking before inserting would lose the race.
fn taken(error: sqlx::Error) -> Problem {
    let (code, field) = match violated_unique_key(&error).as_deref() {
        Some("members_email_unique") => (Code::TakenEmail, "email"),
        Some("members_nickname_unique") => (Code::TakenNickname, "nickname"),
        Some("members_phone_unique") => (Code::TakenPhone, "phone"),
        _ => return error.into(),
    };
    Problem::new(code).with_field(field, "is taken")
}

/// The member of this name, in one query.
pub async fn resolve(pool: &Pool, name: &MemberName) -> Result<MemberId, Problem> {
    let query = match name {
        MemberName::Id(id) => sqlx::query_scalar("SELECT id FROM members WHERE id = ?").bind(*id),
        MemberName::Nickname(nickname) => {
            sqlx::query_scalar("SELECT id FROM members WHERE nickname = ?").bind(nickname.as_str())
        }
    };
    query
        .fetch_optional(pool)
        .await?
        .ok_or_else(|| Problem::new(Code::NotFoundMember))
}

async fn insert(transaction: &mut MySqlConnection, sign_up: &SignUp, password_hash: &str) -> sqlx::Result<MemberId> {
    let inserted =
        sqlx::query("INSERT INTO members (email, real_name, nickname, phone, password_hash) VALUES (?, ?, ?, ?, ?)")
            .bind(sign_up.email.as_str())
            .bind(sign_up.real_name.as_str())
            .bind(sign_up.nickname.as_str())
            .bind(sign_up.phone.as_ref().map(Phone::as_str))
            .bind(password_hash)
            .execute(transaction)
            .await?;
    Ok(MemberId(inserted.last_insert_id()))
}

async fn find(executor: impl MySqlExecutor<'_>, id: MemberId) -> sqlx::Result<Option<Member>> {
    sqlx::query_as(
        "SELECT id, email, real_name, nickname, phone, \
                DATE_FORMAT(created_at, '%Y-%m-%dT%H:%i:%s.%f+09:00') AS created_at \
         FROM members WHERE id = ?",
    )
    .bind(id)
    .fetch_optional(executor)
    .await
}
