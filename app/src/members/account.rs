//! What a member does to the own account: each needs the password again, for a token may have been stolen.

use super::{Member, MemberId, find, taken};
use crate::app::App;
use crate::attempts::{Attempt, Subject};
use crate::body::Json;
use crate::database::{Pool, despite_deadlocks};
use crate::names::{self, Nickname, Password, Phone, RealName};
use crate::problem::{Code, Fields, Problem};
use crate::refresh;
use crate::token::SignedIn;
use crate::{comments, media};
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

/// The e-mail address stays what it was at sign-up. A field that is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeBody {
    #[schema(schema_with = names::attempt)]
    password: String,
    #[schema(value_type = Option<RealName>)]
    real_name: Option<String>,
    #[schema(value_type = Option<Nickname>)]
    nickname: Option<String>,
    /// Null takes the number away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Phone>)]
    phone: Option<Option<String>>,
    #[schema(value_type = Option<Password>)]
    new_password: Option<String>,
}

struct Change {
    password: Password,
    real_name: Option<RealName>,
    nickname: Option<Nickname>,
    phone: Option<Option<Phone>>,
    new_password: Option<Password>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WithdrawBody {
    #[schema(schema_with = names::attempt)]
    password: String,
}

/// The hash that the password was found right against. Whatever is then done is done only if it is still the same, so
/// that of two requests at once none acts on a password that the other has replaced.
struct Confirmed(String);

impl ChangeBody {
    fn parse(self) -> Result<Change, Problem> {
        let mut fields = Fields::default();
        let password = fields.check("password", Password::attempt(&self.password));
        let real_name = self.real_name.as_deref().map(RealName::parse).transpose();
        let real_name = fields.check("real_name", real_name);
        let nickname = self.nickname.as_deref().map(Nickname::parse).transpose();
        let nickname = fields.check("nickname", nickname);
        let phone = self.phone.map(|phone| phone.as_deref().map(Phone::parse).transpose());
        let phone = fields.check("phone", phone.transpose());
        let new_password = self.new_password.as_deref().map(Password::parse).transpose();
        let new_password = fields.check("new_password", new_password);
        match (password, real_name, nickname, phone, new_password) {
            (Some(password), Some(real_name), Some(nickname), Some(phone), Some(new_password)) => Ok(Change {
                password,
                real_name,
                nickname,
                phone,
                new_password,
            }),
            _ => Err(fields.into_problem()),
        }
    }
}

/// Tells null, which is a value, from a field that is not there.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Change one's own account
///
/// What is left out stays as it is. A new password ends every session.
#[utoipa::path(
    patch,
    path = "/api/me",
    security(("bearer" = [])),
    request_body = ChangeBody,
    responses(
        (status = 200, body = Member),
        (status = 403, description = "WRONG_PASSWORD"),
        (status = 409, description = "TAKEN_NICKNAME, TAKEN_PHONE"),
        (status = 429, description = "TOO_MANY_ATTEMPTS"),
    ),
)]
pub async fn change(
    State(app): State<App>,
    SignedIn(member): SignedIn,
    Json(body): Json<ChangeBody>,
) -> Result<axum::Json<Member>, Problem> {
    let change = body.parse()?;
    let pool = &app.database.pool;
    let confirmed = confirm(&app, member, change.password.clone()).await?;
    let new_hash = match change.new_password.clone() {
        Some(password) => Some(app.passwords.hash(password).await?),
        None => None,
    };
    let changed = despite_deadlocks(|| update(pool, member, &change, new_hash.as_deref(), &confirmed)).await;
    if !changed.map_err(taken)? {
        return Err(wrong_password());
    }
    find(pool, member)
        .await?
        .map(axum::Json)
        .ok_or_else(|| Problem::new(Code::InvalidToken))
}

/// Withdraw
///
/// Nothing of the member is kept: posts and follows go too, and e-mail address, nickname and telephone
/// number are free again at once.
#[utoipa::path(
    post,
    path = "/api/me/withdrawal",
    security(("bearer" = [])),
    request_body = WithdrawBody,
    responses(
        (status = 204),
        (status = 403, description = "WRONG_PASSWORD"),
        (status = 429, description = "TOO_MANY_ATTEMPTS"),
    ),
)]
pub async fn withdraw(
    State(app): State<App>,
    SignedIn(member): SignedIn,
    Json(body): Json<WithdrawBody>,
) -> Result<StatusCode, Problem> {
    let mut fields = Fields::default();
    let Some(password) = fields.check("password", Password::attempt(&body.password)) else {
        return Err(fields.into_problem());
    };
    let confirmed = confirm(&app, member, password).await?;
    let is_gone = despite_deadlocks(|| delete(&app.database.pool, member, &confirmed)).await?;
    is_gone.then_some(StatusCode::NO_CONTENT).ok_or_else(wrong_password)
}

async fn confirm(app: &App, member: MemberId, password: Password) -> Result<Confirmed, Problem> {
    let hash: Option<String> = sqlx::query_scalar("SELECT password_hash FROM members WHERE id = ?")
        .bind(member)
        .fetch_optional(&app.database.pool)
        .await?;
    let hash = hash.ok_or_else(|| Problem::new(Code::InvalidToken))?;
    let mut attempt = Attempt::new(&app.database.pool);
    attempt.count(Subject::Member(member)).await?;
    if !attempt.verify(&app.passwords, password, Some(hash.clone())).await? {
        return Err(wrong_password());
    }
    Ok(Confirmed(hash))
}

fn wrong_password() -> Problem {
    Problem::new(Code::WrongPassword).with_field("password", "is not the member's")
}

/// All of it or, if a value is taken, nothing; false if the password is no longer the one confirmed. A new password
/// ends every session: whoever knew the old one is out.
async fn update(
    pool: &Pool,
    member: MemberId,
    change: &Change,
    new_hash: Option<&str>,
    Confirmed(hash): &Confirmed,
) -> sqlx::Result<bool> {
    let phone = change.phone.as_ref();
    let mut transaction = pool.begin().await?;
    let updated = sqlx::query(
        "UPDATE members SET real_name = COALESCE(?, real_name), nickname = COALESCE(?, nickname), \
                phone = IF(?, ?, phone), password_hash = COALESCE(?, password_hash) \
         WHERE id = ? AND password_hash = ?",
    )
    .bind(change.real_name.as_ref().map(RealName::as_str))
    .bind(change.nickname.as_ref().map(Nickname::as_str))
    .bind(phone.is_some())
    .bind(phone.and_then(Option::as_ref).map(Phone::as_str))
    .bind(new_hash)
    .bind(member)
    .bind(hash)
    .execute(&mut *transaction)
    .await?;
    if new_hash.is_some() && updated.rows_affected() > 0 {
        refresh::end_all(&mut *transaction, member).await?;
    }
    transaction.commit().await?;
    Ok(updated.rows_affected() > 0)
}

async fn delete(pool: &Pool, member: MemberId, Confirmed(hash): &Confirmed) -> sqlx::Result<bool> {
    let mut transaction = pool.begin().await?;
    // Without their member, nobody could tell any more whose they were.
    comments::erase_of(&mut transaction, member).await?;
    media::release_of(&mut transaction, member).await?;
    let deleted = sqlx::query("DELETE FROM members WHERE id = ? AND password_hash = ?")
        .bind(member)
        .bind(hash)
        .execute(&mut *transaction)
        .await?;
    if deleted.rows_affected() == 0 {
        return Ok(false);
    }
    transaction.commit().await?;
    Ok(true)
}
