//! Throws away what has expired or is not used any more. Nothing depends on it: whoever reads what expires looks at the
//! time as well.

use crate::app::App;
use crate::config::Config;
use crate::database::{Pool, patiently};
use crate::media::Walk;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(10 * 60);

/// Each statement has an index for its condition, and a limit, so that it locks little and not for long; what is left
/// over is for the next time.
const EXPIRED: [&str; 3] = [
    "DELETE FROM idempotency_keys WHERE expires_at < NOW(6) LIMIT 1000",
    "DELETE FROM sessions WHERE expires_at < NOW(6) LIMIT 1000",
    "DELETE FROM sign_in_attempts WHERE window_ends_at < NOW(6) LIMIT 1000",
];

/// Goes on for as long as the process does.
pub async fn keep_sweeping(app: App) {
    let pool = &app.database.pool;
    let mut walk = None;
    loop {
        tokio::time::sleep(INTERVAL).await;
        if let Err(error) = throw_away(pool).await {
            tracing::warn!(cause = %error, "cannot throw away what has expired");
        }
        if walk.is_none() {
            walk = Walk::from_anywhere(pool).await.ok();
        }
        match sweep_media(&app, walk.as_mut()).await {
            Ok(()) => {}
            Err(error) => tracing::warn!(cause = %error, "cannot sweep media"),
        }
    }
}

async fn throw_away(pool: &Pool) -> sqlx::Result<()> {
    for statement in EXPIRED {
        patiently(sqlx::query(statement).execute(pool)).await?;
    }
    Ok(())
}

async fn sweep_media(app: &App, walk: Option<&mut Walk>) -> anyhow::Result<()> {
    let Some(walk) = walk else { return Ok(()) };
    let swept = walk.sweep(app).await?;
    if swept.marked + swept.deleted > 0 {
        tracing::info!(marked = swept.marked, deleted = swept.deleted, "media swept");
    }
    Ok(())
}

/// The command: once through everything.
pub async fn sweep(config: Config) -> anyhow::Result<()> {
    let app = App::new(&config);
    throw_away(&app.database.pool).await?;
    let mut walk = Walk::from_the_start();
    let (mut marked, mut deleted) = (0, 0);
    loop {
        let swept = walk.sweep(&app).await?;
        (marked, deleted) = (marked + swept.marked, deleted + swept.deleted);
        if swept.at_end && swept.deleted == 0 {
            break;
        }
    }
    println!("media: {marked} marked as removed, {deleted} deleted");
    Ok(())
}
