//! Tokens of Amazon ECR, kept until shortly before they run out.

use super::{Login, Secret, Unusable};
use aws::{Keys, Registry, Token};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};
use tokio::sync::Mutex;

/// A pull that begins with a token has to end with it.
const RENEWED_BEFORE: Duration = Duration::from_secs(30 * 60);

/// By registry. Of this process: whoever asks is the same.
static TOKENS: Mutex<BTreeMap<String, Token>> = Mutex::const_new(BTreeMap::new());

pub async fn login(host: &str) -> Result<Login, Unusable> {
    let not_ecr = || Unusable::new("AWS", format!("`{host}` is no registry of Amazon ECR"));
    let registry = Registry::of(host).ok_or_else(not_ecr)?;
    let failed = |error: aws::AwsError| Unusable::new("AWS", error.to_string());
    // Whoever comes meanwhile waits for the same answer.
    let mut tokens = TOKENS.lock().await;
    if let Some(token) = tokens.get(host).filter(|token| lasts(token, SystemTime::now())) {
        return Ok(as_login(token));
    }
    let keys = Keys::of_this_host().map_err(failed)?;
    let token = registry.token(keys).await.map_err(failed)?;
    let login = as_login(&token);
    tokens.insert(host.to_owned(), token);
    Ok(login)
}

fn lasts(token: &Token, now: SystemTime) -> bool {
    token.expires > now + RENEWED_BEFORE
}

fn as_login(token: &Token) -> Login {
    Login::Password {
        username: "AWS".to_owned(),
        password: Secret::new(&token.password),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn any_other_registry_has_no_token() {
        let error = login("127.0.0.1:5000").await.unwrap_err().to_string();
        assert!(
            error.contains("`127.0.0.1:5000` is no registry of Amazon ECR"),
            "{error}"
        );
    }

    #[test]
    fn a_token_is_not_used_up_to_its_last_minute() {
        let now = SystemTime::now();
        let token = |minutes: u64| Token {
            password: String::new(),
            expires: now + Duration::from_secs(60 * minutes),
        };
        assert!(lasts(&token(31), now) && !lasts(&token(30), now));
    }
}
