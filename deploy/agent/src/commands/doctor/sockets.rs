//! The router's admin socket, and who holds the socket that users connect to.

use super::Finding;
use crate::reach::Reach;
use crate::router::Router;
use contract::HostConfig;
use machine::Holder;
use std::sync::Arc;

pub async fn examine(config: &HostConfig, reach: Arc<dyn Reach>) -> Vec<Finding> {
    let admin = Router::new(reach).status().await.map(|status| status.router_version);
    let port = config.listen.port();
    vec![
        router(admin.map_err(|error| error.to_string()), env!("CARGO_PKG_VERSION")),
        listening(
            &config.listen.to_string(),
            machine::ports_listened_on().contains(&port),
            &machine::holders_of(port),
        ),
    ]
}

fn router(version: Result<String, String>, own: &str) -> Finding {
    match version {
        Ok(version) if version == own => Finding::fine("router", format!("{version}, answers")),
        Ok(version) => Finding::weak(
            "router",
            format!("{version}, and this agent is {own}"),
            "they understand each other's last version only, so that both should follow soon",
            "put both binaries of one version there, then: systemctl reload release-router; systemctl restart release-agent",
        ),
        Err(why) => Finding::in_the_way(
            "router",
            why,
            "users wait in the listening socket's queue, and no weight can be changed",
            "systemctl start release-router; why it ended: journalctl -u release-router -n 50",
        ),
    }
}

/// Whoever holds the socket besides the router keeps connections waiting, instead of refused, while no router runs.
fn listening(address: &str, is_listened_on: bool, holders: &[Holder]) -> Finding {
    let what = "listening socket";
    let by = |name: &str| holders.iter().find(|holder| holder.command == name);
    let keeper = holders.iter().find(|holder| holder.pid == 1).or(by("supervisor"));
    match (is_listened_on, keeper, holders.first()) {
        (false, ..) => Finding::in_the_way(
            what,
            format!("nobody listens on {address}"),
            "users are refused",
            "systemctl start release-router.socket",
        ),
        (true, Some(keeper), _) => Finding::fine(what, format!("{address}, kept by {keeper}")),
        (true, None, None) => Finding::weak(
            what,
            format!("somebody listens on {address}; who does may not be looked at"),
            "it cannot be said whether connections would wait for a router that restarts",
            "ask again as root",
        ),
        (true, None, Some(holder)) if holder.command == "router" => Finding::weak(
            what,
            format!("{address}, held by {holder} alone"),
            "while the router restarts, users are refused instead of kept waiting",
            "start it by its socket unit: systemctl enable --now release-router.socket",
        ),
        (true, None, Some(holder)) => Finding::in_the_way(
            what,
            format!("{address} is held by {holder}"),
            "the router cannot have it",
            "end that process, then: systemctl start release-router.socket",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    fn holder(pid: u32, command: &str) -> Holder {
        Holder {
            pid,
            command: command.to_owned(),
        }
    }

    #[test]
    fn the_socket_is_safe_only_with_a_keeper_that_is_not_the_router() {
        let check = |holders: &[Holder]| listening("0.0.0.0:80", true, holders).state;
        assert_eq!(check(&[holder(1, "systemd"), holder(9, "router")]), State::Fine);
        assert_eq!(check(&[holder(9, "router"), holder(20, "supervisor")]), State::Fine);
        assert_eq!(check(&[holder(9, "router")]), State::Weak);
        assert_eq!(check(&[]), State::Weak);
        assert_eq!(check(&[holder(9, "nginx")]), State::InTheWay);
        assert_eq!(listening("0.0.0.0:80", false, &[]).state, State::InTheWay);
    }

    #[test]
    fn a_router_of_another_version_is_named_and_a_silent_one_is_in_the_way() {
        assert_eq!(router(Ok("2".to_owned()), "2").state, State::Fine);
        assert_eq!(router(Ok("1".to_owned()), "2").state, State::Weak);
        assert_eq!(router(Err("gone".to_owned()), "2").state, State::InTheWay);
    }
}
