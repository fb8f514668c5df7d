//! Who is at the keyboard, as far as that can be told.

/// The account's name: from the environment, else its number.
pub fn name() -> String {
    let from_env = ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok());
    from_env
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()))
}
