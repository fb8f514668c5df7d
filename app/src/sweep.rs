//! Throws away what has expired. Nothing depends on it: whoever reads such rows looks at the time as well.

use sqlx::MySqlPool;
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
pub async fn keep_sweeping(pool: MySqlPool) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        for statement in EXPIRED {
            if let Err(error) = sqlx::query(statement).execute(&pool).await {
                tracing::warn!(cause = %error, "cannot throw away what has expired");
            }
        }
    }
}
