//! Who follows whom. Following is immediate and needs no consent; asking for it twice is the same as once.

use crate::app::App;
use crate::body::Parameters;
use crate::database::{Pool, despite_deadlocks, violated_foreign_key, violated_unique_key};
use crate::interface::Routes;
use crate::interface::schema::moment;
use crate::members::{self, MemberId, MemberName};
use crate::page::{Cursor, Page, PageQuery};
use crate::problem::{Code, Problem};
use crate::token::SignedIn;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;
use utoipa_axum::routes;

pub fn routes() -> Routes {
    Routes::of("Follows")
        .with(routes!(follow, unfollow))
        .with(routes!(followers))
        .with(routes!(following))
}

#[derive(Debug, Serialize, ToSchema)]
struct Follows {
    members: Vec<Followed>,
    /// What to ask for as `before` to go on; null at the end.
    #[schema(required = true)]
    next: Option<Cursor>,
}

/// The member at the other end of one follow.
#[derive(Debug, Serialize, FromRow, ToSchema)]
struct Followed {
    #[serde(skip)]
    follow_id: u64,
    id: MemberId,
    nickname: String,
    real_name: String,
    #[schema(schema_with = moment)]
    followed_at: String,
}

/// Follow a member
///
/// Following twice is the same as once.
#[utoipa::path(
    put,
    path = "/api/members/{member}/follow",
    params(MemberName),
    security(("bearer" = [])),
    responses(
        (status = 204),
        (status = 404, description = "NOT_FOUND_MEMBER"),
        (status = 422, description = "FOLLOW_SELF"),
    ),
)]
async fn follow(
    State(app): State<App>,
    SignedIn(follower): SignedIn,
    member: MemberName,
) -> Result<StatusCode, Problem> {
    let pool = &app.database.pool;
    let followed = members::resolve(pool, &member).await?;
    if followed == follower {
        return Err(Problem::new(Code::FollowSelf));
    }
    match despite_deadlocks(|| insert(pool, follower, followed)).await {
        Err(error) if violated_unique_key(&error).is_some() => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(gone(error)),
        Ok(()) => Ok(StatusCode::NO_CONTENT),
    }
}

/// Follow a member no longer
#[utoipa::path(
    delete,
    path = "/api/members/{member}/follow",
    params(MemberName),
    security(("bearer" = [])),
    responses((status = 204), (status = 404, description = "NOT_FOUND_MEMBER")),
)]
async fn unfollow(
    State(app): State<App>,
    SignedIn(follower): SignedIn,
    member: MemberName,
) -> Result<StatusCode, Problem> {
    let pool = &app.database.pool;
    let followed = members::resolve(pool, &member).await?;
    despite_deadlocks(|| delete(pool, follower, followed)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List who follows a member
#[utoipa::path(
    get,
    path = "/api/members/{member}/followers",
    params(MemberName, PageQuery),
    responses((status = 200, body = Follows), (status = 404, description = "NOT_FOUND_MEMBER")),
)]
async fn followers(
    State(app): State<App>,
    member: MemberName,
    Parameters(query): Parameters<PageQuery>,
) -> Result<axum::Json<Follows>, Problem> {
    list(&app.database.pool, FOLLOWERS, &member, &query).await
}

/// List whom a member follows
#[utoipa::path(
    get,
    path = "/api/members/{member}/following",
    params(MemberName, PageQuery),
    responses((status = 200, body = Follows), (status = 404, description = "NOT_FOUND_MEMBER")),
)]
async fn following(
    State(app): State<App>,
    member: MemberName,
    Parameters(query): Parameters<PageQuery>,
) -> Result<axum::Json<Follows>, Problem> {
    list(&app.database.pool, FOLLOWING, &member, &query).await
}

/// One of the two has withdrawn in the meantime.
fn gone(error: sqlx::Error) -> Problem {
    match violated_foreign_key(&error).as_deref() {
        Some("follows_follower") => Problem::new(Code::InvalidToken),
        Some("follows_followed") => Problem::new(Code::NotFoundMember),
        _ => error.into(),
    }
}

async fn insert(pool: &Pool, follower: MemberId, followed: MemberId) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO follows (follower_id, followed_id) VALUES (?, ?)")
        .bind(follower)
        .bind(followed)
        .execute(pool)
        .await
        .map(drop)
}

async fn delete(pool: &Pool, follower: MemberId, followed: MemberId) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM follows WHERE follower_id = ? AND followed_id = ?")
        .bind(follower)
        .bind(followed)
        .execute(pool)
        .await
        .map(drop)
}

/// A page of follows: `$other` is the end that is listed, `$one` the end that is asked about.
macro_rules! select_follows {
    ($other:literal, $one:literal) => {
        concat!(
            "SELECT follows.id AS follow_id, members.id, members.nickname, members.real_name, ",
            "DATE_FORMAT(follows.created_at, '%Y-%m-%dT%H:%i:%s.%f+09:00') AS followed_at ",
            "FROM follows JOIN members ON members.id = follows.",
            $other,
            " WHERE follows.",
            $one,
            " = ? AND follows.id < ? ORDER BY follows.id DESC LIMIT ?"
        )
    };
}

const FOLLOWERS: &str = select_follows!("follower_id", "followed_id");
const FOLLOWING: &str = select_follows!("followed_id", "follower_id");

async fn list(
    pool: &Pool,
    select: &'static str,
    member: &MemberName,
    query: &PageQuery,
) -> Result<axum::Json<Follows>, Problem> {
    let page = Page::parse(query)?;
    let member = members::resolve(pool, member).await?;
    let mut members: Vec<Followed> = sqlx::query_as(select)
        .bind(member)
        .bind(page.before())
        .bind(page.rows_to_fetch())
        .fetch_all(pool)
        .await?;
    let next = page.cut(&mut members, |followed| followed.follow_id);
    Ok(axum::Json(Follows { members, next }))
}
