//! Who is at the keyboard, as far as that can be told.

/// The account's name: from the environment, else from the machine's list of accounts, else its number.
pub fn name() -> String {
    let from_env = ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok());
    let uid = rustix::process::getuid().as_raw();
    from_env
        .filter(|name| !name.is_empty())
        .or_else(|| account(&std::fs::read_to_string("/etc/passwd").ok()?, uid))
        .unwrap_or_else(|| format!("uid-{uid}"))
}

/// `name:password:uid:…`, a line an account.
fn account(passwd: &str, uid: u32) -> Option<String> {
    let mut accounts = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let own = accounts.find(|fields| fields.get(2) == Some(&uid.to_string().as_str()))?;
    own.first().map(|name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nmina:x:1000:1000::/home/mina:/bin/sh\nbroken\n";
        assert_eq!(account(passwd, 1000).as_deref(), Some("mina"));
        assert_eq!(account(passwd, 100), None);
    }
}
