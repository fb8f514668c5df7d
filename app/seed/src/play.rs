//! Carries a script out: asks what is there, makes what is not, a few things at a time.

mod posts;
mod talks;

use crate::client::Client;
use crate::people::{PEOPLE, Person};
use crate::progress::Progress;
use crate::script::{Script, Who};
use crate::target::Target;
use anyhow::{Context, bail};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::StatusCode;
use serde_json::json;

/// Passwords are hashed with effort, and whoever waits too long for that is sent away.
const SIGN_INS_AT_ONCE: usize = 3;
const REQUESTS_AT_ONCE: usize = 6;

/// A member who is signed in.
#[derive(Debug)]
pub struct Member {
    pub id: u64,
    pub nickname: &'static str,
    pub token: String,
}

/// Everyone, in the order of `PEOPLE`.
#[derive(Debug)]
pub struct Cast {
    pub client: Client,
    members: Vec<Member>,
}

impl Cast {
    pub fn member(&self, who: Who) -> anyhow::Result<&Member> {
        self.members
            .get(who)
            .with_context(|| format!("there is no member number {who}"))
    }
}

pub async fn play(target: &Target, script: &Script) -> anyhow::Result<()> {
    let client = Client::new(target)?;
    let progress = Progress::new("members", PEOPLE.len());
    let members = stream::iter(PEOPLE.iter().enumerate())
        .map(|person| sign_in(&client, target, person, &progress))
        .buffered(SIGN_INS_AT_ONCE)
        .try_collect()
        .await?;
    progress.finish();
    let cast = Cast { client, members };
    follow(&cast, &script.follows).await?;
    let posted = posts::post(&cast, &script.posts).await?;
    posts::like(&cast, &posted).await?;
    posts::comment(&cast, &posted).await?;
    talks::talk(&cast, &script.talks).await
}

/// Looks before signing in: a name that nobody has would count as a wrong password.
async fn sign_in(
    client: &Client,
    target: &Target,
    (number, person): (Who, &Person),
    progress: &Progress,
) -> anyhow::Result<Member> {
    let nickname = person.nickname;
    let is_new = client.get(None, &profile(nickname)).await?.status == StatusCode::NOT_FOUND;
    if is_new {
        let sign_up = json!({
            "email": format!("demo-{number}@example.com"),
            "real_name": person.real_name,
            "nickname": nickname,
            "password": target.password,
        });
        let answer = client.post(None, "/api/members", sign_up).await?;
        // Who else may be seeding here was faster.
        if answer.status != StatusCode::CONFLICT {
            answer.expect(StatusCode::CREATED)?;
        }
    }
    let session = json!({ "name": nickname, "password": target.password });
    let session = client.post(None, "/api/sessions", session).await?;
    if session.status == StatusCode::UNAUTHORIZED {
        bail!(
            "`{nickname}` is there, with another password than the demo members'\n\
             hint: set SEED_PASSWORD to theirs; or this nickname is somebody else's, and the demo data does not fit here"
        );
    }
    let token = session.expect(StatusCode::CREATED)?.text("access_token")?.to_owned();
    let id = client
        .get(Some(&token), "/api/me")
        .await?
        .expect(StatusCode::OK)?
        .id()?;
    progress.step(is_new);
    Ok(Member { id, nickname, token })
}

/// Letters of any script are percent-encoded on their way.
fn profile(nickname: &str) -> String {
    format!("/api/members/{nickname}")
}

/// Following twice is the same as once.
async fn follow(cast: &Cast, follows: &[(Who, Who)]) -> anyhow::Result<()> {
    let progress = Progress::new("follows", follows.len());
    let following = stream::iter(follows).map(async |(follower, followed)| {
        let (follower, followed) = (cast.member(*follower)?, cast.member(*followed)?);
        let path = format!("{}/follow", profile(followed.nickname));
        cast.client
            .put(&follower.token, &path)
            .await?
            .expect(StatusCode::NO_CONTENT)?;
        progress.step(false);
        anyhow::Ok(())
    });
    following.buffer_unordered(REQUESTS_AT_ONCE).try_collect::<()>().await?;
    progress.finish();
    Ok(())
}
