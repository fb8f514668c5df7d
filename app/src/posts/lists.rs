//! Lists of posts, newest first: everyone's, one member's, and those of the members whom a member follows.

use super::post::{self, Post};
use crate::app::App;
use crate::body::Parameters;
use crate::members::{self, MemberName};
use crate::page::{Cursor, Page, PageQuery};
use crate::problem::Problem;
use crate::token::SignedIn;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub struct Posts {
    posts: Vec<Post>,
    /// What to ask for as `before` to go on; null at the end.
    #[schema(required = true)]
    next: Option<Cursor>,
}

impl Posts {
    fn cut(page: &Page, mut posts: Vec<Post>) -> Json<Posts> {
        let next = page.cut(&mut posts, |post| post.id.0);
        Json(Posts { posts, next })
    }
}

/// List everyone's posts
#[utoipa::path(
    get,
    path = "/api/posts",
    params(PageQuery),
    security((), ("bearer" = [])),
    responses((status = 200, body = Posts)),
)]
pub async fn everyones(
    State(app): State<App>,
    viewer: Option<SignedIn>,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<Posts>, Problem> {
    let page = Page::parse(&query)?;
    let viewer = viewer.map(|SignedIn(member)| member);
    let posts = post::newest(&app.database.pool, &page, viewer).await?;
    Ok(Posts::cut(&page, posts))
}

/// List one member's posts
#[utoipa::path(
    get,
    path = "/api/members/{member}/posts",
    params(MemberName, PageQuery),
    security((), ("bearer" = [])),
    responses((status = 200, body = Posts), (status = 404, description = "NOT_FOUND_MEMBER")),
)]
pub async fn members(
    State(app): State<App>,
    viewer: Option<SignedIn>,
    member: MemberName,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<Posts>, Problem> {
    let page = Page::parse(&query)?;
    let viewer = viewer.map(|SignedIn(member)| member);
    let member = members::resolve(&app.database.pool, &member).await?;
    let posts = post::newest_by(&app.database.pool, member, &page, viewer).await?;
    Ok(Posts::cut(&page, posts))
}

/// List the posts of those whom one follows
#[utoipa::path(
    get,
    path = "/api/feed",
    params(PageQuery),
    security(("bearer" = [])),
    responses((status = 200, body = Posts)),
)]
pub async fn feed(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<Posts>, Problem> {
    let page = Page::parse(&query)?;
    let posts = post::newest_followed(&app.database.pool, viewer, &page).await?;
    Ok(Posts::cut(&page, posts))
}
