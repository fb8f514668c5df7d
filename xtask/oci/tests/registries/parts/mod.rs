//! Real servers, and images to give them.

mod ground;
mod registry;
mod tokens;

pub use ground::Ground;
pub use registry::{Access, Registry};
pub use tokens::{Authority, TokenServer};

use oci::image::{Bom, BuiltImage, FileEntry, ImageSpec, Package, build};
use oci::registry::{CredentialSource, Login, Secret};
use oci::{Client, ClientOptions};
use std::collections::BTreeMap;
use std::process::{Command, Output};

pub const USERNAME: &str = "ann";
pub const PASSWORD: &str = "correct horse";

pub fn client(credentials: CredentialSource) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new(ClientOptions {
        credentials,
        ..ClientOptions::default()
    })
    .unwrap()
}

pub fn ann() -> CredentialSource {
    CredentialSource::Given(Login::Password {
        username: USERNAME.into(),
        password: Secret::new(PASSWORD),
    })
}

/// Bytes that do not compress, the same in every run.
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..len.div_ceil(8)).flat_map(|_| next()).take(len).collect()
}

/// A small base and a program of so many bytes, with a bill of materials.
pub fn image(program_bytes: usize) -> BuiltImage {
    let package = Package {
        name: "serde".into(),
        version: "1.0.0".into(),
        licence: Some("MIT".into()),
        source: None,
    };
    build(&ImageSpec {
        layers: vec![
            vec![FileEntry::file("/etc/motd", "hello")],
            oci::rootfs::program("/shop", noise(program_bytes)),
        ],
        entrypoint: vec!["/shop".into()],
        labels: BTreeMap::from([("xtask.test".into(), "1".into())]),
        sbom: Some(Bom {
            name: "shop".into(),
            version: "0.1.0".into(),
            packages: vec![package],
        }),
        ..ImageSpec::default()
    })
    .unwrap()
}

/// The output of a program that must succeed.
pub fn run(command: &mut Command) -> Output {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("install `{name}` and run this again: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
