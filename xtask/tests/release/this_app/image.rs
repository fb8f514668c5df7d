//! The image.

use super::{cache, leave_out_tests, this_app};
use crate::project::{Project, docker};
use std::fs;

/// The image of a release that waits for approval, its tests left out: they do not change it.
pub fn built(project: &Project) -> String {
    leave_out_tests(project);
    cache::fill(&cache::usual(), project, &mut project.command(&["release", "--json"])).expect(3);
    image_of(project)
}

/// The same with a build cache of its own, so that nothing is taken over; the ground's programs are no part of an image.
fn built_apart(project: &Project) -> String {
    let config = project.root.join(".cargo/config.toml");
    let folder = project.root.with_file_name("a cache of its own");
    let own = format!("\n[build]\ntarget-dir = \"{}\"\n", folder.display());
    fs::write(&config, fs::read_to_string(&config).unwrap() + &own).unwrap();
    leave_out_tests(project);
    project.run(&["release", "--json"]).expect(3);
    assert!(folder.join("x86_64-unknown-linux-gnu/release").is_dir());
    image_of(project)
}

fn image_of(project: &Project) -> String {
    let releases = project.run(&["releases", "--json"]).expect(0).event("releases");
    releases["releases"][0]["release"]["image"].as_str().unwrap().to_owned()
}

#[test]
fn the_same_source_gives_the_same_small_image_in_another_folder() {
    let there = this_app();
    let image = built_apart(&there);
    let here = this_app();
    let other = built(&here);
    let digest = |image: &str| image.split('@').nth(1).unwrap().to_owned();
    assert_eq!(digest(&image), digest(&other));

    let size = docker(&["image", "inspect", "--format", "{{.Size}}", &image]);
    println!("{} in both, {size} bytes unpacked", digest(&image));
    assert!(size.parse::<u64>().unwrap() < 15_000_000, "{size}");
    let user = docker(&["image", "inspect", "--format", "{{.Config.User}}", &image]);
    assert_eq!(user, "65532:65532");
}
