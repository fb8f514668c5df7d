//! What the server is fed to initialise its data directory.

use super::{USER, zones};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

pub(super) const ARGS: [&str; 5] = [
    "--bootstrap",
    "--log-warnings=0",
    // The system tables name their own engines.
    "--enforce-storage-engine=",
    "--max-allowed-packet=8M",
    "--net-buffer-length=16K",
];

/// System tables and their data, as the server's own installer feeds them. Left out: help texts, the `sys` schema and the
/// test database. Older servers name the files after MySQL.
const SCRIPTS: [&str; 4] = [
    "system_tables.sql",
    "performance_tables.sql",
    "system_tables_data.sql",
    "maria_add_gis_sp_bootstrap.sql",
];

/// The installer's scripts make accounts without passwords for root, and grants on test databases for everyone. What stays:
/// the locked account that owns the system views, and one for the health check, which logs in by being the same user of the
/// operating system and may do nothing.
fn accounts() -> String {
    format!(
        "DELETE FROM mysql.global_priv WHERE User NOT IN ('mariadb.sys', 'PUBLIC');\n\
         DELETE FROM mysql.db;\n\
         DELETE FROM mysql.proxies_priv;\n\
         INSERT INTO mysql.global_priv VALUES ('localhost', '{USER}', \
         '{{\"access\":0,\"plugin\":\"unix_socket\",\"authentication_string\":\"\"}}');\n"
    )
}

pub(super) fn recipe() -> String {
    format!("{ARGS:?} {SCRIPTS:?} {}", accounts())
}

pub(super) fn statements(root: &Path) -> Result<Vec<u8>> {
    let scripts = root.join("usr/share/mysql");
    let mut sql = b"CREATE DATABASE IF NOT EXISTS mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n".to_vec();
    for name in SCRIPTS {
        let candidates = ["mariadb_", "mysql_", ""].map(|prefix| scripts.join(format!("{prefix}{name}")));
        let path = candidates.iter().find(|path| path.exists());
        let path = path.with_context(|| format!("the server's package has no `{name}` in `{}`", scripts.display()))?;
        sql.extend(fs::read(path).with_context(|| format!("reading `{}`", path.display()))?);
        sql.push(b'\n');
    }
    sql.extend(accounts().into_bytes());
    sql.extend(zones::statements(&root.join("usr/share/zoneinfo"))?.into_bytes());
    Ok(sql)
}
