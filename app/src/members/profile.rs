//! Members as everyone sees them: all accounts are public.

use super::{MemberId, MemberName};
use crate::app::App;
use crate::body::Parameters;
use crate::database::Pool;
use crate::interface::schema::moment;
use crate::names::{Nickname, NicknamePrefix};
use crate::page::{self, Limit, limit};
use crate::problem::{Code, Fields, Problem};
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Serialize, FromRow, ToSchema)]
pub struct Profile {
    id: MemberId,
    nickname: String,
    real_name: String,
    #[schema(schema_with = moment)]
    created_at: String,
    posts: i64,
    followers: i64,
    following: i64,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SearchQuery {
    /// How the nicknames start
    #[param(value_type = NicknamePrefix, inline)]
    nickname: String,
    /// The `next` of the page before
    after: Option<String>,
    /// How many at most
    #[param(value_type = Option<Limit>, inline)]
    limit: Option<String>,
}

struct Search {
    prefix: NicknamePrefix,
    after: Option<NicknameCursor>,
    limit: u32,
}

/// Found members are in the order of their nicknames, so a page goes on after the last nickname seen. Opaque to
/// clients, as `page::Cursor` is.
struct NicknameCursor(String);

#[derive(Debug, Serialize, ToSchema)]
pub struct Found {
    members: Vec<Summary>,
    /// What to ask for as `after` to go on; null at the end.
    #[schema(required = true)]
    next: Option<String>,
}

#[derive(Debug, Serialize, FromRow, ToSchema)]
struct Summary {
    id: MemberId,
    nickname: String,
    real_name: String,
}

impl NicknameCursor {
    fn parse(value: &str) -> Result<NicknameCursor, String> {
        URL_SAFE_NO_PAD
            .decode(value)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .filter(|nickname| Nickname::parse(nickname).is_ok())
            .map(NicknameCursor)
            .ok_or_else(|| page::NO_CURSOR.to_owned())
    }

    fn render(nickname: &str) -> String {
        URL_SAFE_NO_PAD.encode(nickname)
    }
}

impl SearchQuery {
    fn parse(&self) -> Result<Search, Problem> {
        let mut fields = Fields::default();
        let prefix = fields.check("nickname", NicknamePrefix::parse(&self.nickname));
        let after = fields.check("after", self.after.as_deref().map(NicknameCursor::parse).transpose());
        let limit = fields.check("limit", limit(self.limit.as_deref()));
        match (prefix, after, limit) {
            (Some(prefix), Some(after), Some(limit)) => Ok(Search { prefix, after, limit }),
            _ => Err(fields.into_problem()),
        }
    }
}

/// Show a member
#[utoipa::path(
    get,
    path = "/api/members/{member}",
    params(MemberName),
    responses((status = 200, body = Profile), (status = 404, description = "NOT_FOUND_MEMBER")),
)]
pub async fn show(State(app): State<App>, member: MemberName) -> Result<axum::Json<Profile>, Problem> {
    find(&app.database.pool, &member)
        .await?
        .map(axum::Json)
        .ok_or_else(|| Problem::new(Code::NotFoundMember))
}

/// Search for members by their nickname
///
/// They come in the order of their nicknames.
#[utoipa::path(get, path = "/api/members", params(SearchQuery), responses((status = 200, body = Found)))]
pub async fn search(
    State(app): State<App>,
    Parameters(query): Parameters<SearchQuery>,
) -> Result<axum::Json<Found>, Problem> {
    let search = query.parse()?;
    let mut members = find_by_prefix(&app.database.pool, &search).await?;
    let has_more = members.len() > search.limit as usize;
    members.truncate(search.limit as usize);
    let last = members.last().filter(|_| has_more);
    let next = last.map(|member| NicknameCursor::render(&member.nickname));
    Ok(axum::Json(Found { members, next }))
}

/// The start of the query for a profile; each count is read from one index.
macro_rules! select_profile {
    ($rest:literal) => {
        concat!(
            "SELECT id, nickname, real_name, ",
            "DATE_FORMAT(created_at, '%Y-%m-%dT%H:%i:%s.%f+09:00') AS created_at, ",
            "(SELECT COUNT(*) FROM posts WHERE posts.member_id = members.id) AS posts, ",
            "(SELECT COUNT(*) FROM follows WHERE follows.followed_id = members.id) AS followers, ",
            "(SELECT COUNT(*) FROM follows WHERE follows.follower_id = members.id) AS following ",
            "FROM members ",
            $rest
        )
    };
}

async fn find(pool: &Pool, name: &MemberName) -> sqlx::Result<Option<Profile>> {
    let query = match name {
        MemberName::Id(id) => sqlx::query_as(select_profile!("WHERE id = ?")).bind(*id),
        MemberName::Nickname(nickname) => {
            sqlx::query_as(select_profile!("WHERE nickname = ?")).bind(nickname.as_str().to_owned())
        }
    };
    query.fetch_optional(pool).await
}

/// A range of the nicknames' unique key.
async fn find_by_prefix(pool: &Pool, search: &Search) -> sqlx::Result<Vec<Summary>> {
    sqlx::query_as(
        "SELECT id, nickname, real_name FROM members \
         WHERE nickname LIKE ? ESCAPE '!' AND nickname > ? ORDER BY nickname LIMIT ?",
    )
    .bind(search.prefix.pattern('!'))
    .bind(search.after.as_ref().map_or("", |after| &after.0))
    .bind(search.limit + 1)
    .fetch_all(pool)
    .await
}
