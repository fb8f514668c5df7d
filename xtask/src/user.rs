//! Who is at the keyboard, or has started the job, as far as that can be told. Whoever can write to the store could write
//! anything there: this names people, it does not keep them out.

use pipeline::{Identity, Kind};

pub fn identity() -> Identity {
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let uid = rustix::process::getuid().as_raw();
    identify(|name| std::env::var(name).ok(), &accounts, uid)
}

/// In a job it is whoever started it, never the account that the job runs under.
fn identify(variable: impl Fn(&str) -> Option<String>, accounts: &str, uid: u32) -> Identity {
    let given = |name: &str| variable(name).filter(|value| !value.is_empty());
    let of = |kind, names: &[&str]| {
        let name = names.iter().find_map(|name| given(name));
        name.and_then(|name| Identity::new(kind, &name))
            .unwrap_or_else(|| Identity::nobody(kind))
    };
    // First, because its jobs may run on machines of CodeBuild.
    if given("GITHUB_ACTIONS").as_deref() == Some("true") {
        // Whoever runs a job again is not whoever ran it first.
        return of(Kind::GitHub, &["GITHUB_TRIGGERING_ACTOR", "GITHUB_ACTOR"]);
    }
    if given("CODEBUILD_BUILD_ID").or(given("CODEBUILD_INITIATOR")).is_some() {
        return of(Kind::Aws, &["CODEBUILD_INITIATOR"]);
    }
    // The machine's list first: variables are anybody's to set.
    let names = [account(accounts, uid), given("USER"), given("LOGNAME")];
    let mut fitting = names
        .into_iter()
        .flatten()
        .filter_map(|name| Identity::new(Kind::Local, &name));
    fitting.next().unwrap_or_else(|| Identity {
        kind: Kind::Local,
        name: format!("uid-{uid}"),
    })
}

/// `name:password:uid:…`, a line an account.
fn account(accounts: &str, uid: u32) -> Option<String> {
    let mut accounts = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let own = accounts.find(|fields| fields.get(2) == Some(&uid.to_string().as_str()))?;
    own.first().map(|name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNTS: &str = "root:x:0:0:root:/root:/bin/sh\nmina:x:1000:1000::/home/mina:/bin/sh\nbroken\n";

    #[track_caller]
    fn check(variables: &[(&str, &str)], uid: u32, expected: &str) {
        let variable = |name: &str| {
            let mut set = variables.iter();
            set.find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned())
        };
        assert_eq!(identify(variable, ACCOUNTS, uid).to_string(), expected, "{variables:?}");
    }

    #[test]
    fn at_a_keyboard_it_is_the_account_whatever_the_variables_say() {
        check(&[], 1000, "mina");
        check(&[("USER", "jun")], 1000, "mina");
        check(&[("USER", "jun")], 7, "jun");
        check(&[("USER", ""), ("LOGNAME", "jun")], 7, "jun");
        check(&[], 7, "uid-7");
        check(&[("USER", "github:mina-kim")], 7, "uid-7");
    }

    #[test]
    fn in_a_job_of_github_it_is_whoever_started_it_last() {
        let job = ("GITHUB_ACTIONS", "true");
        check(&[job, ("GITHUB_ACTOR", "mina-kim")], 1000, "github:mina-kim");
        let again = [job, ("GITHUB_ACTOR", "mina-kim"), ("GITHUB_TRIGGERING_ACTOR", "jun")];
        check(&again, 1000, "github:jun");
        check(
            &[job, ("CODEBUILD_BUILD_ID", "x:1"), ("GITHUB_ACTOR", "jun")],
            1000,
            "github:jun",
        );
        check(&[("GITHUB_ACTIONS", "false"), ("GITHUB_ACTOR", "jun")], 1000, "mina");
    }

    #[test]
    fn in_a_build_of_aws_it_is_its_initiator() {
        let build = ("CODEBUILD_BUILD_ID", "shop:1");
        check(
            &[build, ("CODEBUILD_INITIATOR", "codepipeline/shop")],
            1000,
            "aws:codepipeline/shop",
        );
        check(&[("CODEBUILD_INITIATOR", "mina")], 1000, "aws:mina");
    }

    #[test]
    fn a_job_that_does_not_say_for_whom_is_nobodys_and_not_the_accounts() {
        check(&[("GITHUB_ACTIONS", "true")], 1000, "github:?");
        check(
            &[("GITHUB_ACTIONS", "true"), ("GITHUB_ACTOR", "a\nb")],
            1000,
            "github:?",
        );
        check(&[("CODEBUILD_BUILD_ID", "shop:1")], 1000, "aws:?");
    }
}
