//! `hold`: the users of this host wait for a moment, or are told to come back; the router does it, and a tester is let through.

use crate::reach::Reach;
use crate::router::{PutError, Router};
use anyhow::{Result, bail};
use contract::Hold;
use std::sync::Arc;

pub async fn hold(reach: Arc<dyn Reach>, asked: Option<&Hold>) -> Result<String> {
    match Router::new(reach).hold(asked).await {
        Ok(_) => Ok(done(asked)),
        Err(PutError::Refused(why)) => bail!("{why}"),
        Err(error) => {
            bail!("{error}\nhint: `systemctl start release-router`, then ask again; `agent status` shows more")
        }
    }
}

fn done(asked: Option<&Hold>) -> String {
    let until = "until then, or until `agent hold off`; other hosts are as before\n";
    match asked {
        None => "nobody is held any more\n".to_owned(),
        Some(Hold::Pause { max_ms }) => {
            let seconds = max_ms.div_ceil(1_000);
            format!("requests to this host wait, for {seconds} s at most\n{until}")
        }
        Some(Hold::Maintenance { retry_after_s }) => format!(
            "requests to this host get 503 and are told to come back after {retry_after_s} s\n\
             until `agent hold off`; other hosts are as before\n"
        ),
    }
}
